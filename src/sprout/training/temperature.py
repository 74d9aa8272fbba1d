"""The temperature that makes a network's probabilities mean what they say.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from sprout.core.store import Array

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
