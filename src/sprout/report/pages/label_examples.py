"""Which examples of the pool are shown with their labels: typical ones, likely mistakes, and near misses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.audit import Labels
from sprout.report.formatting import MISSING, percent, plural
from sprout.report.inputs import Inputs
from sprout.report.pictures import Exhibit, are_pictures, exhibits

REJECTED = "Rejected, nearest to the threshold"
FOREIGN = "Left out, as they may belong to no class"


@dataclass(frozen=True)
class Gallery:
    """Examples with the predicted class, its confidence and, where it was withheld, the true class."""

    title: str
    exhibits: list[Exhibit]


def galleries(inputs: Inputs, unlabelled: Path, labels: Labels, wanted: int) -> list[Gallery]:
    """The galleries of a labeller; an empty one is left out.

    Args:
        inputs: what the stages wrote.
        unlabelled: the store of the pool.
        labels: of the pool.
        wanted: how many are shown in each, at most.
    """
    wrong = int((labels.accepted & labels.wrong).sum())
    suspected = (
        f"The most confident of {plural(wrong, 'wrong label')}" if wrong else "Accepted with the least confidence"
    )
    left_out = inputs.foreign.rows()
    chosen = {
        suspected: suspects(labels, wanted),
        REJECTED: nearest(labels, left_out, wanted),
        FOREIGN: left_out[evenly(len(left_out), min(wanted, len(left_out)))],
    }
    if are_pictures(inputs.summary):
        accepted = np.flatnonzero(labels.accepted)
        typical = spread(labels.predicted[accepted].tolist(), labels.confidence[accepted].tolist(), wanted)
        chosen[f"{len(typical)} accepted ones, some of each class, by rising confidence"] = accepted[typical]
    return [
        Gallery(title, exhibits(inputs, unlabelled, rows, captions(inputs, labels, rows, needed=title == REJECTED)))
        for title, rows in chosen.items()
        if len(rows)
    ]


def captions(inputs: Inputs, labels: Labels, rows: Array, *, needed: bool) -> list[tuple[str, ...]]:
    """Lines under a picture, or cells of a table row: predicted class, confidence (and the needed one), true class."""
    names = [*inputs.classes, MISSING]  # −1, not known, is the last
    true = [names[index] for index in labels.true[rows]]
    if are_pictures(inputs.summary):
        true = [f"true: {name}" if name != MISSING else "" for name in true]
    predicted = [names[index] for index in labels.predicted[rows]]
    confidence = [percent(float(one)) for one in labels.confidence[rows]]
    if needed:
        thresholds = [percent(float(one)) for one in labels.threshold[rows]]
        confidence = [f"{one}, needs {other}" for one, other in zip(confidence, thresholds, strict=True)]
    return list(zip(predicted, confidence, true, strict=True))


def suspects(labels: Labels, wanted: int) -> Array:
    """The accepted labels that are most likely wrong: (n,) int.

    Those that the truth says are wrong, the most confident first; without one, those of the least confidence.
    """
    wrong, accepted = np.flatnonzero(labels.accepted & labels.wrong), np.flatnonzero(labels.accepted)
    if len(wrong):
        return wrong[np.argsort(-labels.confidence[wrong], kind="stable")][:wanted]
    return accepted[np.argsort(labels.confidence[accepted], kind="stable")][:wanted]


def nearest(labels: Labels, left_out: Array, wanted: int) -> Array:
    """The rejected predictions whose confidence is nearest to the threshold, the nearest first: (n,) int.

    Args:
        labels: of the pool.
        left_out: (n,) rows that were not learned from, whatever their confidence.
        wanted: how many, at most.
    """
    rejected = np.setdiff1d(np.flatnonzero(~labels.accepted), left_out)
    distance = np.abs(labels.threshold - labels.confidence)[rejected]
    return rejected[np.argsort(distance, kind="stable")][:wanted]


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
        present = [present[i] for i in evenly(len(present), wanted)]
    shares = _shares([len(ranked[label]) for label in present], wanted)
    return [
        ranked[label][i]
        for turn, (label, share) in enumerate(zip(present, shares, strict=True))
        for i in evenly(len(ranked[label]), share, alone=turn % 3 / 2)
    ]


def _shares(sizes: list[int], wanted: int) -> list[int]:
    """Distribute `wanted` places, one a turn, over groups of these sizes."""
    shares = [0] * len(sizes)
    while sum(shares) < min(wanted, sum(sizes)):
        for i, size in enumerate(sizes):
            if shares[i] < size and sum(shares) < wanted:
                shares[i] += 1
    return shares


def evenly(size: int, wanted: int, alone: float = 0.5) -> list[int]:
    """`wanted` of the positions 0..size-1, evenly spaced from first to last; a single one at `alone`, in 0..1."""
    if wanted == 1:
        return [round(alone * (size - 1))]
    return [round(i * (size - 1) / (wanted - 1)) for i in range(wanted)]
