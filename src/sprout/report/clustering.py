"""The page of a clustering: how large the clusters are, what they hold, and the examples nearest to their centres."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.report import figures
from sprout.report.galleries import Shown, exhibits
from sprout.report.inputs import Inputs
from sprout.report.verdict import clusterer, clustering_explanation, clustering_headline
from sprout.report.wording import compact

CONTENTS = {"clusters": "Clusters", "holds": "What they hold", "nearest": "Nearest to the centres"}


def clustering(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """What the template shows of a clustering; the arguments are those of `classification`, but for `examples`, which
    are dealt out over the clusters.
    """
    clusters, labels = inputs.predictions["cluster"].to_numpy(), inputs.predictions["label"].fill_null(-1).to_numpy()
    distances = inputs.predictions["distance"].to_numpy()
    known, used = labels >= 0, np.unique(clusters)
    scores, seen = inputs.scores["test"][inputs.shown], len(inputs.labels["train"]) + len(inputs.labels["unlabelled"])
    table = contents(labels[known], clusters[known], used, len(inputs.classes))
    return {
        "contents": {anchor: title for anchor, title in CONTENTS.items() if known.any() or anchor != "holds"},
        "what": clusterer(len(used), seen),
        "headline": clustering_headline(scores),
        "explanation": clustering_explanation(scores, len(labels), int(known.sum())),
        "digits": 1,
        "tested": len(labels),
        "rows": described(inputs.classes, clusters, distances, used, table),
        "holds": figures.contingency(table, inputs.classes, [str(c) for c in used]) if known.any() else None,
        "wide": len(inputs.classes) > figures.FEW or len(used) > figures.FEW,
        "nearest": nearest(inputs, prepared / "test", clusters, distances, used, examples),
    }


def contents(labels: Array, clusters: Array, used: Array, classes: int) -> Array:
    """(K, C) counts of class and cluster: (n,) int each, `used` the C clusters with an example, in order."""
    place = np.searchsorted(used, clusters)
    return np.bincount(labels * len(used) + place, minlength=classes * len(used)).reshape(classes, len(used))


def described(
    classes: Sequence[str], clusters: Array, distances: Array, used: Array, table: Array
) -> list[dict[str, Any]]:
    """A row for each cluster: its size, its mean squared distance, and its commonest class with its share."""
    counts = [int((clusters == cluster).sum()) for cluster in used]
    return [
        {
            "name": int(cluster),
            "size": count,
            "of_most": count / max(counts),
            "distance": float(distances[clusters == cluster].mean()),
            "class": classes[int(held.argmax())] if held.sum() else None,
            "share": float(held.max() / held.sum()) if held.sum() else None,
        }
        for cluster, count, held in zip(used, counts, table.T, strict=True)
    ]


def nearest(
    inputs: Inputs, test: Path, clusters: Array, distances: Array, used: Array, wanted: int
) -> dict[int, list[Shown]]:
    """For each cluster the examples nearest to its centre, an equal share of those wanted, but at least one."""
    if not wanted:
        return {}
    found, rows, labels = {}, inputs.predictions["row"].to_numpy(), inputs.predictions["label"].to_pylist()
    for cluster in used:
        inside = np.flatnonzero(clusters == cluster)
        chosen = inside[np.argsort(distances[inside], kind="stable")][: max(1, wanted // len(used))]
        classes = ["" if labels[i] is None else inputs.classes[labels[i]] for i in chosen]
        said = [(name, compact(distances[i])) for name, i in zip(classes, chosen, strict=True)]
        found[int(cluster)] = exhibits(inputs, test, rows[chosen], said)
    return found
