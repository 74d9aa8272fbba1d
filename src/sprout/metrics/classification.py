"""Figures of a classifier."""

from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.calibration import calibration_error

PER_CLASS = ["class", "precision", "recall", "f1", "support"]


def classification_metrics(probabilities: Array, labels: Array, bins: int) -> dict[str, float]:
    """Accuracy, error, log loss in nats, expected calibration error and macro F1.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) int.
        bins: bins of the calibration error.
    """
    right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    rows = per_class(probabilities, labels, [""] * probabilities.shape[1])
    return {
        "accuracy": accuracy,
        # Not "error": DVC takes a key of that name for a failure.
        "error_rate": float((probabilities.argmax(axis=1) != labels).mean()),
        # A probability that float32 rounds to 0 would make the loss infinite.
        "log_loss": float(-np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()),
        "calibration_error": calibration_error(probabilities, labels, bins),
        "macro_f1": float(np.mean([row["f1"] for row in rows])),
    }


def per_class(probabilities: Array, labels: Array, classes: list[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class; 0 where a figure has no example to stand on."""
    guesses, found = probabilities.argmax(axis=1), []
    for index, name in enumerate(classes):
        hits = int(((guesses == index) & (labels == index)).sum())
        guessed, support = int((guesses == index).sum()), int((labels == index).sum())
        precision, recall = hits / max(1, guessed), hits / max(1, support)
        f1 = 2 * hits / max(1, guessed + support)
        found.append({"class": name, "precision": precision, "recall": recall, "f1": f1, "support": support})
    return found
