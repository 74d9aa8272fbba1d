"""The page of a clustering: the size of each cluster, its classes, and the examples nearest to its centre."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array, class_indices
from sprout.evaluate.significance import wilson_interval
from sprout.report import figures
from sprout.report.formatting import compact, count, decimal, percent, plural
from sprout.report.inputs import Inputs
from sprout.report.intervals import Interval, Intervals, in_words, mean_interval
from sprout.report.pictures import Exhibit, exhibits
from sprout.tasks.scores import Metrics

METHODS = (
    "The 95% intervals are over the test examples: of the inertia by the t distribution, of the purity Wilson's, for "
    "the classes that the clusters have here."
)
CONTENTS = {"clusters": "Clusters", "by-class": "Classes by cluster", "nearest": "Nearest to the centres"}


def page(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """See `report.pages`; the examples are shared out over the clusters."""
    clusters, labels = inputs.predictions["cluster"].to_numpy(), class_indices(inputs.predictions)
    distances = inputs.predictions["distance"].to_numpy()
    known, used = labels >= 0, np.unique(clusters)
    table = contingency(labels[known], clusters[known], used, len(inputs.classes))
    seen, metrics = len(inputs.labels["train"]) + len(inputs.labels["unlabelled"]), inputs.test[inputs.shown]
    purity = wilson_interval(int(table.max(axis=0).sum()), int(known.sum())) if known.any() else None
    return {
        "template": "pages/cluster.html.j2",
        "contents": {anchor: title for anchor, title in CONTENTS.items() if known.any() or anchor != "by-class"},
        "what": f"{plural(len(used), 'cluster')}, found in {plural(seen, 'example')} without any label.",
        "headline": headline(metrics, purity),
        "explanation": explanation(metrics, len(labels), int(known.sum())),
        "intervals": intervals(distances, purity),
        "methods": METHODS,
        "clusters": cluster_rows(inputs.classes, clusters, distances, used, table),
        "contingency": figures.contingency(table, inputs.classes, [str(c) for c in used]) if known.any() else None,
        "wide": len(inputs.classes) > figures.FEW or len(used) > figures.FEW,
        "nearest": nearest(inputs, prepared / "test", clusters, distances, used, examples),
    }


def headline(metrics: Metrics, interval: Interval | None = None) -> str:
    """The result in one line, with the interval of the purity."""
    used = plural(round(metrics["clusters"] or 0), "cluster")
    if metrics["purity"] is None:
        return used
    return f"{used}, purity {percent(metrics['purity'])}{in_words(interval, percent, '95% interval ')}"


def intervals(distances: Array, purity: Interval | None) -> Intervals:
    """The 95% intervals of the metrics that have one, of the one model that there is.

    Args:
        distances: (N,) squared distance of each test example to its centre.
        purity: its interval; None where no class is known.
    """
    found = {"inertia": [mean_interval(distances)]} if len(distances) > 1 else {}
    return found | ({"purity": [purity]} if purity else {})


def explanation(metrics: Metrics, tested: int, known: int) -> str:
    """What the headline means."""
    if metrics["purity"] is None:
        examples = plural(tested, "test example")
        return f"The class of none of the {examples} is known, so the clusters cannot be compared with classes."
    return (
        f"Of the {count(known)} test examples whose class is known, {percent(metrics['purity'])} have the most "
        f"frequent class of their cluster (purity). The normalised mutual information of cluster and class is "
        f"{decimal(metrics['nmi'])}."
    )


def contingency(labels: Array, clusters: Array, used: Array, classes: int) -> Array:
    """(K, C) counts of class and cluster: (n,) int each, `used` the C clusters with an example, in order."""
    place = np.searchsorted(used, clusters)
    return np.bincount(labels * len(used) + place, minlength=classes * len(used)).reshape(classes, len(used))


def cluster_rows(
    classes: Sequence[str], clusters: Array, distances: Array, used: Array, table: Array
) -> list[dict[str, Any]]:
    """A row for each cluster: its size, its mean squared distance, and its most frequent class with its share."""
    sizes = [int((clusters == cluster).sum()) for cluster in used]
    return [
        {
            "name": int(cluster),
            "size": size,
            "of_most": size / max(sizes),
            "distance": float(distances[clusters == cluster].mean()),
            "class": classes[int(counts.argmax())] if counts.sum() else None,
            "share": float(counts.max() / counts.sum()) if counts.sum() else None,
        }
        for cluster, size, counts in zip(used, sizes, table.T, strict=True)
    ]


def nearest(
    inputs: Inputs, test: Path, clusters: Array, distances: Array, used: Array, wanted: int
) -> dict[int, list[Exhibit]]:
    """For each cluster the examples nearest to its centre: an equal share of those wanted, but at least one."""
    if not wanted:
        return {}
    shown, rows, labels = {}, inputs.predictions["row"].to_numpy(), inputs.predictions["label"].to_pylist()
    for cluster in used:
        inside = np.flatnonzero(clusters == cluster)
        chosen = inside[np.argsort(distances[inside], kind="stable")][: max(1, wanted // len(used))]
        classes = ["" if labels[i] is None else inputs.classes[labels[i]] for i in chosen]
        captions = [(name, compact(distances[i])) for name, i in zip(classes, chosen, strict=True)]
        shown[int(cluster)] = exhibits(inputs, test, rows[chosen], captions)
    return shown
