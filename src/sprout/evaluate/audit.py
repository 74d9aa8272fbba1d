"""The labels that unlabelled examples got: how many of them count, and how many of these are right.

A share is *counted* in the pool itself, *estimated* from examples with a known label that the labeller has not learned
from, or *measured* against withheld truth. All is computed from arrays: the estimate may be that of val, or of
out-of-fold predictions.

There is no curve of the precision by epoch. A training may not read the truth, so its checkpoints and its result would
have to hold a label of each example of the pool for each epoch. The history has the share of labels that counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.significance import wilson_interval

AUDIT = ["round", "class", "measure", "basis", "share", "low", "high", "hits", "total"]
"""Columns of `audit.csv`, after the labeller."""


@dataclass(frozen=True)
class Labels:
    """What a labeller says of N examples, and which of its predictions count as labels: (N,) each."""

    predicted: Array
    """int, class."""
    confidence: Array
    """0..1."""
    threshold: Array
    """The confidence from which this prediction counts."""
    round: Array
    """int, the round that accepted the prediction; 0 where it is rejected."""
    true: Array
    """int, class; −1 where it is not known."""

    @property
    def accepted(self) -> Array:
        """Whether the prediction counts."""
        found: Array = self.round > 0
        return found

    @property
    def wrong(self) -> Array:
        """Whether the true class is known to be another one."""
        found: Array = (self.true >= 0) & (self.true != self.predicted)
        return found


def decide(probabilities: Array, thresholds: Array, true: Array) -> Labels:
    """Accept each prediction in the first round whose threshold it reaches.

    Args:
        probabilities: (N, K), rows sum to 1; N may be 0.
        thresholds: (R, K) of each round, for each class.
        true: (N,) int, −1 where it is not known.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1, initial=0)
    needed = thresholds.astype(probabilities.dtype)[:, predicted]
    reached = confidence >= needed
    round_ = np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, 0)
    return Labels(predicted, confidence, needed.min(axis=0), round_, true)


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
    """Coverage and precision of all labels, of each round, and of each predicted class.

    Args:
        pool: the labels of the pool.
        known: what the labeller says of other examples, whose classes are known, at the same thresholds.
        classes: K names.

    Returns:
        Rows of the columns `AUDIT`; round and class are empty in those of all.
    """
    rounds = np.unique(np.concatenate([pool.round[pool.accepted], known.round[known.accepted]])).tolist()
    scopes: list[tuple[int | None, int | None]] = [(None, None), *((number, None) for number in rounds)]
    scopes += [(None, index) for index in range(len(classes))]
    return [
        {"round": number or "", "class": "" if index is None else classes[index], **row}
        for number, index in scopes
        for row in shares(pool, known, number, index)
    ]


def shares(pool: Labels, known: Labels, number: int | None, index: int | None) -> list[dict[str, Any]]:
    """Coverage and precision in a round and of a class, or in all; see `audit`."""
    found = {
        ("coverage", "counted"): coverage(pool, number, index),
        ("coverage", "estimated"): coverage(known, number, index),
        ("precision", "estimated"): precision(known, number, index),
        ("precision", "measured"): precision(pool, number, index),
    }
    return [{"measure": measure, "basis": basis, **one.columns()} for (measure, basis), one in found.items()]


def coverage(labels: Labels, number: int | None = None, index: int | None = None) -> Share:
    """Of the predictions of this class, or of all, the share that this round, or any, has accepted."""
    of_class = np.full(len(labels.predicted), True) if index is None else labels.predicted == index
    return Share(int((of_class & accepted_in(labels, number)).sum()), int(of_class.sum()))


def precision(labels: Labels, number: int | None = None, index: int | None = None) -> Share:
    """Of the accepted predictions whose true class is known, the share that is right."""
    counts = accepted_in(labels, number) & (labels.true >= 0)
    counts &= True if index is None else labels.predicted == index
    return Share(int((counts & ~labels.wrong).sum()), int(counts.sum()))


def accepted_in(labels: Labels, number: int | None) -> Array:
    """Whether this round, or any, has accepted a prediction: (N,) bool."""
    found: Array = labels.accepted if number is None else labels.round == number
    return found


def in_short(pool: Labels, known: Labels) -> dict[str, float | int | None]:
    """The numbers of all labels, for `metrics.json`; the precision is None where there is nothing to tell it by."""
    covered = coverage(pool)
    numbers = {"pool": covered.total, "accepted": covered.hits, "coverage": covered.columns()["share"]}
    for basis, share in (("estimated", precision(known)), ("measured", precision(pool))):
        columns = share.columns()
        numbers[f"precision_{basis}"] = columns["share"]
        numbers |= {f"precision_{basis}_{name}": columns[name] for name in ("low", "high", "total")}
    return numbers
