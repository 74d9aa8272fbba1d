"""Labels that may be wrong: confident learning (Northcutt, Jiang and Chuang, JAIR 2021).

All is computed from arrays: probabilities of examples by a model that has not learned from them, and their labels.
"""

from typing import NamedTuple

import numpy as np

from sprout.data.store import Array


class LabelIssues(NamedTuple):
    """The examples whose label may be wrong, (n,) each; the most suspicious come first."""

    rows: Array
    """int64, their places among the examples."""
    given: Array
    """int64, their labels."""
    suggested: Array
    """int64, the class that they probably have."""
    score: Array
    """float32 in 0..1, the probability of the label (self-confidence); the lower, the less the label fits."""


def label_issues(probabilities: Array, labels: Array) -> LabelIssues:
    """Find the examples that are confidently another class than their label says.

    Args:
        probabilities: (N, K), rows sum to 1, out of sample.
        labels: (N,) int.
    """
    suggested = confident_class(probabilities, class_thresholds(probabilities, labels))
    suspected = np.flatnonzero((suggested >= 0) & (suggested != labels))
    score = self_confidence(probabilities, labels)
    order = suspected[np.argsort(score[suspected], kind="stable")]
    return LabelIssues(order, labels[order], suggested[order], score[order])


def class_thresholds(probabilities: Array, labels: Array) -> Array:
    """The mean probability of a class among the examples labelled with it: (K,); above 1 for one without examples."""
    of_label = self_confidence(probabilities, labels).astype(np.float64)
    count = np.bincount(labels, minlength=probabilities.shape[1])
    total = np.bincount(labels, weights=of_label, minlength=probabilities.shape[1])
    thresholds: Array = np.where(count > 0, total / np.maximum(count, 1), np.inf)
    return thresholds


def confident_class(probabilities: Array, thresholds: Array) -> Array:
    """The most probable of the classes whose threshold is reached: (N,) int64; −1 where none is."""
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    found: Array = np.where(reached.max(axis=1, initial=-1) > 0, reached.argmax(axis=1), -1)
    return found


def self_confidence(probabilities: Array, labels: Array) -> Array:
    """The probability of each label: (N, K), (N,) int → (N,) float32."""
    found: Array = probabilities[np.arange(len(labels)), labels].astype(np.float32)
    return found
