"""Examples that stand for many uncertain ones. Pure functions of arrays.

Facility location: Wei, Iyer and Bilmes, "Submodularity in data subset selection and active learning", ICML 2015.
There all examples count the same; here each counts by the square of its uncertainty, and labelled examples stand for
others, too.
Lazy greedy: Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
"""

import numpy as np

from sprout.data.store import Array

CANDIDATES = 4000
"""So many of the most uncertain examples are compared with each other, which takes 64 MB; the others come later."""


def represent(features: Array, uncertainty: Array, labelled: Array, count: int, neighbours: int) -> Array:
    """The examples to which the most uncertainty is near, one after the other: (count,) int64 rows.

    Each adds the most to the sum, over all candidates, of uncertainty² × similarity to the nearest selected or labelled
    example.

    Args:
        features: (N, D), N at least `count`.
        uncertainty: (N,) from 0.
        labelled: (L, D).
        count: of rows.
        neighbours: the rank of the neighbour whose median distance is the width of the similarity.
    """
    order = np.argsort(-uncertainty, kind="stable")
    rows, later = order[:CANDIDATES], order[CANDIDATES:count]
    distances = squared_distances(features[rows], features[rows])
    width = kernel_width(distances, neighbours)
    near = np.zeros(len(rows), np.float32)
    if len(labelled):
        near = np.exp(-squared_distances(features[rows], labelled).min(axis=1) / width)
    weights = np.square(uncertainty[rows])
    selected = lazy_greedy(np.exp(-distances / width), weights, near, min(count, len(rows)))
    return np.concatenate([rows[selected], later])


def lazy_greedy(similarity: Array, weights: Array, near: Array, count: int) -> Array:
    """The rows that, one after the other, add the most to the sum of weight × highest similarity: (count,) int64.

    Args:
        similarity: (n, n), symmetric, in 0..1.
        weights: (n,) from 0.
        near: (n,) the highest similarity before.
        count: of rows, at most n.
    """
    selected = np.empty(count, np.int64)
    gains = np.full(len(weights), np.inf, np.float32)  # upper bounds, as what a row adds only falls
    for place in range(count):
        best, highest = -1, int(gains.argmax())
        while highest != best:  # until the highest one is exact
            best = highest
            gains[best] = weights @ np.maximum(similarity[best] - near, 0)
            highest = int(gains.argmax())
        selected[place], gains[best] = best, -1
        near = np.maximum(near, similarity[best])
    return selected


def kernel_width(distances: Array, neighbours: int) -> float:
    """Twice the median of the squared distances to the neighbour of this rank: (n, n) → above 0."""
    rank = min(neighbours, len(distances) - 1)
    return 2 * float(np.median(np.partition(distances, rank, axis=1)[:, rank])) or 1.0


def squared_distances(features: Array, others: Array) -> Array:
    """(n, D), (m, D) → (n, m) float32."""
    lengths, of_others = ((np.square(each)).sum(axis=1) for each in (features, others))
    found: Array = np.maximum(lengths[:, None] + of_others - 2 * (features @ others.T), 0)
    return found
