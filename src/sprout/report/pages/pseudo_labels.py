"""The section on pseudo-labels: how many were accepted of each class, how confident, and some of them as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array, class_indices, read_labels
from sprout.report import figures
from sprout.report.formatting import percent
from sprout.report.inputs import Inputs, read_rows, to_float
from sprout.report.pictures import Exhibit, are_pictures, exhibits
from sprout.report.tables import class_counts


def pseudo_label_fields(inputs: Inputs, unlabelled: Path, examples: int) -> dict[str, Any]:
    """What the template shows of the pseudo-labels.

    Args:
        inputs: what the stages wrote.
        unlabelled: the store of the pool.
        examples: accepted ones to show.
    """
    table = read_labels(inputs.pseudo_labels_folder)
    rows, labels, confidence = table["row"].to_numpy(), class_indices(table), table["confidence"].to_numpy()
    true = class_counts(inputs.labels, len(inputs.classes))["train"]
    rounds = read_rows(inputs.pseudo_labels_folder / "rounds.csv")
    return {
        "pseudo": inputs.pseudo_labels,
        "accepted": accepted_by_class(inputs.classes, true, labels, confidence),
        "histogram": figures.confidence_histogram(confidence) if len(confidence) else None,
        "kept_share": kept_share(inputs),
        "rounds": [{key: to_float(value) for key, value in row.items()} for row in rounds],
        "accepted_shown": accepted_gallery(inputs, unlabelled, rows, labels, confidence, examples),
    }


def kept_share(inputs: Inputs) -> float | None:
    """Of the student's last epoch, the share of predictions on the pool that counted; None where it did not use it."""
    student = inputs.models.get("student")
    shares = student.history.get("kept_share") if student else None
    return None if shares is None else float(shares[-1])


def accepted_by_class(classes: Sequence[str], true: Array, labels: Array, confidence: Array) -> list[dict[str, Any]]:
    """One row per class: its true labels, its accepted pseudo-labels and their mean confidence.

    Args:
        classes: K names.
        true: (K,) training examples with a true label of each class.
        labels: (n,) class indices of the accepted pseudo-labels.
        confidence: (n,) in 0..1.
    """
    accepted = np.bincount(labels, minlength=len(classes))
    sums = np.bincount(labels, weights=confidence, minlength=len(classes))
    most = max(1, int(accepted.max()))
    return [
        {"name": name, "true": t, "accepted": n, "of_most": n / most, "confidence": s / n if n else None}
        for name, t, n, s in zip(classes, true.tolist(), accepted.tolist(), sums.tolist(), strict=True)
    ]


def accepted_gallery(
    inputs: Inputs, unlabelled: Path, rows: Array, labels: Array, confidence: Array, wanted: int
) -> list[Exhibit]:
    """Accepted pseudo-labels from every class and range of confidence; none where they cannot be drawn.

    Args:
        inputs: what the stages wrote.
        unlabelled: the store of the pool.
        rows: (n,) int, of the accepted ones in that store.
        labels: (n,) int, their classes.
        confidence: (n,) in 0..1.
        wanted: how many are shown, at most.
    """
    if not are_pictures(inputs.summary):
        return []
    chosen = spread(labels.tolist(), confidence.tolist(), wanted)
    captions = [(inputs.classes[labels[i]], percent(float(confidence[i]))) for i in chosen]
    return exhibits(inputs, unlabelled, rows[chosen], captions)


def spread(classes: Sequence[int], confidence: Sequence[float], wanted: int) -> list[int]:
    """Choose `wanted` examples spread over the classes and, within a class, from least to most confident.

    Every class gets the same number as long as it has that many examples; with fewer places than classes, some classes
    get one each.

    Returns:
        Positions in the two sequences, by class and then by rising confidence.
    """
    ranked: dict[int, list[int]] = {}
    for position in sorted(range(len(classes)), key=lambda i: (classes[i], confidence[i], i)):
        ranked.setdefault(classes[position], []).append(position)
    present = list(ranked)
    if wanted < len(present):
        present = [present[i] for i in _evenly(len(present), wanted)]
    shares = _shares([len(ranked[label]) for label in present], wanted)
    return [
        ranked[label][i]
        for turn, (label, share) in enumerate(zip(present, shares, strict=True))
        for i in _evenly(len(ranked[label]), share, alone=turn % 3 / 2)
    ]


def _shares(sizes: list[int], wanted: int) -> list[int]:
    """Distribute `wanted` places, one a turn, over groups of these sizes."""
    shares = [0] * len(sizes)
    while sum(shares) < min(wanted, sum(sizes)):
        for i, size in enumerate(sizes):
            if shares[i] < size and sum(shares) < wanted:
                shares[i] += 1
    return shares


def _evenly(size: int, wanted: int, alone: float = 0.5) -> list[int]:
    """`wanted` of the positions 0..size-1, evenly spaced from first to last; a single one at `alone`, in 0..1."""
    if wanted == 1:
        return [round(alone * (size - 1))]
    return [round(i * (size - 1) / (wanted - 1)) for i in range(wanted)]
