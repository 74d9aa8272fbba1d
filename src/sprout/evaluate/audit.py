"""The labels that unlabelled examples got: how many of them count, and how many of these are right.

A share is *counted* in the pool itself, *estimated* from examples with a known label that the labeller has not learned
from, or *measured* against withheld truth. All is computed from arrays: the estimate may be that of val, or of
out-of-fold predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.significance import wilson_interval

AUDIT = ["class", "measure", "basis", "share", "low", "high", "hits", "total"]
"""Columns of `audit.csv`, after the labeller."""
BY_EPOCH = ["epoch", "measure", "share", "low", "high", "hits", "total"]
"""Columns of `labels_by_epoch.csv`; the precision is measured against withheld truth."""


@dataclass(frozen=True)
class Labels:
    """What a labeller says of N examples, and which of its predictions count as labels: (N,) each."""

    predicted: Array
    """int, class."""
    confidence: Array
    """0..1."""
    threshold: Array
    """The confidence from which this prediction counts."""
    accepted: Array
    """Whether it does."""
    true: Array
    """int, class; −1 where it is not known."""

    @property
    def wrong(self) -> Array:
        """Whether the true class is known to be another one."""
        found: Array = (self.true >= 0) & (self.true != self.predicted)
        return found


def decide(predicted: Array, confidence: Array, thresholds: Array, true: Array) -> Labels:
    """Accept each prediction that reaches the threshold of its class.

    Args:
        predicted: (N,) int, the most probable class; N may be 0.
        confidence: (N,) its probability.
        thresholds: (K,) of each class.
        true: (N,) int, −1 where it is not known.
    """
    needed = thresholds.astype(confidence.dtype)[predicted]
    return Labels(predicted, confidence, needed, confidence >= needed, true)


@dataclass(frozen=True)
class Share:
    """A share of examples."""

    hits: int
    total: int

    def columns(self) -> dict[str, Any]:
        """The share, its 95% interval (Wilson) and its two counts; None where there is no example."""
        low, high = wilson_interval(self.hits, self.total) if self.total else (None, None)
        share = self.hits / self.total if self.total else None
        return {"share": share, "low": low, "high": high, "hits": self.hits, "total": self.total}


def audit(pool: Labels, known: Labels, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Coverage and precision of all labels, and of each predicted class.

    Args:
        pool: the labels of the pool.
        known: what the labeller says of other examples, whose classes are known, at the same thresholds.
        classes: K names.

    Returns:
        Rows of the columns `AUDIT`; the class is empty in those of all.
    """
    return [
        {"class": name, **row}
        for index, name in ((None, ""), *enumerate(classes))
        for row in shares(pool, known, index)
    ]


def shares(pool: Labels, known: Labels, index: int | None) -> list[dict[str, Any]]:
    """Coverage and precision of a class, or of all; see `audit`."""
    found = {
        ("coverage", "counted"): coverage(pool, index),
        ("coverage", "estimated"): coverage(known, index),
        ("precision", "estimated"): precision(known, index),
        ("precision", "measured"): precision(pool, index),
    }
    return [{"measure": measure, "basis": basis, **one.columns()} for (measure, basis), one in found.items()]


def coverage(labels: Labels, index: int | None = None) -> Share:
    """Of the predictions of this class, or of all, the share that is accepted."""
    of_class = np.full(len(labels.predicted), True) if index is None else labels.predicted == index
    return Share(int((of_class & labels.accepted).sum()), int(of_class.sum()))


def precision(labels: Labels, index: int | None = None) -> Share:
    """Of the accepted predictions whose true class is known, the share that is right."""
    counts = labels.accepted & (labels.true >= 0)
    counts &= True if index is None else labels.predicted == index
    return Share(int((counts & ~labels.wrong).sum()), int(counts.sum()))


def by_epoch(labels: Array, true: Array) -> list[dict[str, Any]]:
    """Coverage and precision of the labels that a training gave, at the end of each epoch.

    Args:
        labels: (E, n) int, class + 1 where it counted, −(class + 1) where it did not, 0 before any.
        true: (n,) int, −1 where it is not known.

    Returns:
        Rows of the columns `BY_EPOCH`; epochs are counted from 1.
    """
    rows = []
    for epoch, given in enumerate(labels, 1):
        counted, predicted = given > 0, np.abs(given) - 1
        known = counted & (true >= 0)
        covered = Share(int(counted.sum()), int((given != 0).sum()))
        right = Share(int((known & (predicted == true)).sum()), int(known.sum()))
        rows += [
            {"epoch": epoch, "measure": measure, **share.columns()}
            for measure, share in (("coverage", covered), ("precision", right))
        ]
    return rows


def in_short(pool: Labels, known: Labels) -> dict[str, float | int | None]:
    """The numbers of all labels, for `metrics.json`; the precision is None where there is nothing to tell it by."""
    covered = coverage(pool)
    numbers = {"pool": covered.total, "accepted": covered.hits, "coverage": covered.columns()["share"]}
    for basis, share in (("estimated", precision(known)), ("measured", precision(pool))):
        columns = share.columns()
        numbers[f"precision_{basis}"] = columns["share"]
        numbers |= {f"precision_{basis}_{name}": columns[name] for name in ("low", "high", "total")}
    return numbers
