"""Whether a probability means what it says: the calibration curve and its error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from sprout.data.store import Array
from sprout.runtime.files import write_rows

BINS = 15  # as in Guo et al.
CURVES = ["model", "calibration", "bin", "confidence", "accuracy", "count"]
"""Columns of `calibration.csv`; `calibration` is before or after."""
ERRORS = ["model", "examples", "before", "after"]
"""Columns of `calibration_errors.csv`."""

Curve = list[dict[str, float]]
"""A row for each range of confidence."""


def calibration_curve(confidence: Array, right: Array, bins: int) -> Curve:
    """For each of `bins` equal ranges of confidence: mean confidence, accuracy and count.

    Args:
        confidence: (N,) the probability of each predicted class.
        right: (N,) bool, whether it is the true one.
        bins: number of ranges; an empty one is left out.
    """
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


def calibration_error(confidence: Array, right: Array, bins: int) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, by bin."""
    return error_of(calibration_curve(confidence, right, bins), len(right))


def error_of(curve: Curve, examples: int) -> float:
    """The expected calibration error, from the curve of so many examples."""
    return sum(abs(b["confidence"] - b["accuracy"]) * b["count"] for b in curve) / examples


def write_calibration(folder: Path, before: Mapping[str, Curve], after: Mapping[str, Curve], examples: int) -> None:
    """Write the curves of all models and their errors, before and after calibration.

    Args:
        folder: of the evaluation.
        before: the curve of each model without a temperature, see `calibration_curve`.
        after: the same with its temperature.
        examples: of each curve; may be 0.
    """
    curves = [
        {"model": model, "calibration": when, **row}
        for when, of_models in (("before", before), ("after", after))
        for model, curve in of_models.items()
        for row in curve
    ]
    write_rows(folder / "calibration.csv", CURVES, curves)
    errors = [
        {
            "model": model,
            "examples": examples,
            "before": error_of(before[model], examples),
            "after": error_of(after[model], examples),
        }
        for model in (before if examples else ())
    ]
    write_rows(folder / "calibration_errors.csv", ERRORS, errors)


LOWEST, HIGHEST = 0.05, 20.0
PRIOR_SPREAD = 0.5
"""Standard deviation of the prior of the temperature's logarithm around 0. Guo et al. found temperatures of 0.9 to 3.5;
95% of this prior lie from 0.38 to 2.7."""


def fit_temperature(logits: Array, labels: Array) -> float:
    """The most probable temperature for these logits: (N, K) float, (N,) int.

    Its prior is a log-normal distribution around 1. A handful of examples, which may all be right, moves it little;
    a few hundred outweigh it.
    """
    found = minimize_scalar(
        lambda log_t: len(labels) * log_loss(logits, labels, math.exp(log_t)) + (log_t / PRIOR_SPREAD) ** 2 / 2,
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return round(math.exp(found.x), 3)


def log_loss(logits: Array, labels: Array, temperature: float) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    return float(np.mean(log_sum - scaled[np.arange(len(labels)), labels]))
