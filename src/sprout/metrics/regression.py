"""Figures of predicted numbers."""

import numpy as np

from sprout.data.store import Array


def regression_metrics(predicted: Array, values: Array) -> dict[str, float | None]:
    """Root mean squared error and mean absolute error, in the unit of the data, and the coefficient of determination.

    `r2` is the share of the values' variance that the predictions account for: 1 for perfect ones, 0 for always saying
    the mean, below 0 for worse; None where all values are the same. All are None where there is no example.

    Args:
        predicted: (N,) float.
        values: (N,) float, the true ones.
    """
    if not len(values):
        return dict.fromkeys(("rmse", "mae", "r2"))
    off = predicted.astype(np.float64) - values
    variance = float(np.var(values))
    squared = float((off**2).mean())
    return {
        "rmse": squared**0.5,
        "mae": float(np.abs(off).mean()),
        "r2": 1 - squared / variance if variance > 0 else None,
    }
