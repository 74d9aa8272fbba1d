"""Whether a probability means what it says: the calibration curve and its error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import numpy as np

from sprout.core.store import Array

BINS = 15  # as in Guo et al.
CURVE = ["bin", "confidence", "accuracy", "count"]


def calibration_curve(probabilities: Array, labels: Array, bins: int) -> list[dict[str, float]]:
    """For each of `bins` equal ranges of confidence: mean confidence, accuracy and count.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) int.
        bins: number of ranges; an empty one is left out.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "bin": int(number),
            "confidence": float(confidence[place == number].mean()),
            "accuracy": float(right[place == number].mean()),
            "count": int((place == number).sum()),
        }
        for number in np.unique(place)
    ]


def calibration_error(probabilities: Array, labels: Array, bins: int) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, by bin."""
    curve = calibration_curve(probabilities, labels, bins)
    return sum(abs(b["confidence"] - b["accuracy"]) * b["count"] for b in curve) / len(labels)
