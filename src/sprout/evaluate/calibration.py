"""Whether a probability means what it says: the calibration curve and its error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from sprout.data.store import Array

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


LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: Array, labels: Array) -> float:
    """The temperature at which these logits' log loss is lowest: (N, K) float, (N,) int.

    A share of 1 / (N + 1) of each label is spread over all classes: a few examples without a mistake do not make the
    network infallible. So did Platt, "Probabilistic outputs for support vector machines", 1999, for two classes.
    """
    spread = 1 / (len(labels) + 1)
    found = minimize_scalar(
        lambda log_t: log_loss(logits, labels, math.exp(log_t), spread),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return round(math.exp(found.x), 3)


def log_loss(logits: Array, labels: Array, temperature: float, spread: float = 0.0) -> float:
    """Mean negative log-likelihood in nats, of labels of which the share `spread` lies evenly on all classes."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    told = scaled[np.arange(len(labels)), labels]
    return float(np.mean(log_sum - (1 - spread) * told - spread * scaled.mean(axis=1)))
