"""Probabilities of labelled examples that do not depend on their own labels: those of their nearest neighbours."""

import numpy as np

from sprout.data.store import Array
from sprout.explain.neighbours import nearest

NEIGHBOURS = 50
"""At most; with fewer labels, half of the mean number of examples of a class."""
TEMPERATURE = 0.1
"""How fast the weight of a neighbour falls with its cosine distance."""
PRIOR = 0.01
"""Added to the weight of each class, so that no probability is 0."""


def out_of_sample(features: Array, labels: Array, classes: int) -> Array:
    """The weighted shares of the classes among the nearest other examples: (N, K) float32, rows sum to 1.

    Args:
        features: (N, D) of the examples, N from 2.
        labels: (N,) int.
        classes: K.
    """
    wanted = min(NEIGHBOURS, max(1, len(labels) // (2 * classes)))
    found = nearest(features, features, wanted + 1)
    # Equal examples may come before the example itself.
    others = found.rows != np.arange(len(labels))[:, None]
    others &= np.cumsum(others, axis=1) <= wanted
    weights = others * np.exp((found.similarity - 1) / TEMPERATURE)
    votes = np.full((len(labels), classes), PRIOR)
    np.add.at(votes, (np.arange(len(labels))[:, None], labels[found.rows]), weights)
    probabilities: Array = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
