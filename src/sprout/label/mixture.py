"""Examples that stand for many uncertain ones. Pure functions of arrays.

Facility location: Wei, Iyer and Bilmes, "Submodularity in data subset selection and active learning", ICML 2015.
There all examples count the same; here each counts by its uncertainty, and labelled examples stand for others, too.
"""

import numpy as np

from sprout.data.store import Array

CANDIDATES = 4000
"""The most uncertain examples, which are compared with each other: 64 MB of similarities."""


def represent(features: Array, uncertainty: Array, labelled: Array, count: int, neighbours: int) -> Array:
    """The examples to which the most uncertainty is near, one after the other: (count,) int64 rows.

    Each adds the most to the sum, over all candidates, of uncertainty × similarity to the nearest selected or labelled
    example.

    Args:
        features: (N, D), N at least `count`.
        uncertainty: (N,) from 0.
        labelled: (L, D).
        count: of rows.
        neighbours: the rank of the neighbour whose median distance is the width of the similarity.
    """
    rows = np.argsort(-uncertainty, kind="stable")[: max(count, CANDIDATES)]
    weights, distances = uncertainty[rows], squared_distances(features[rows], features[rows])
    width = kernel_width(distances, neighbours)
    similarity, near = np.exp(-distances / width), np.zeros(len(rows), np.float32)
    if len(labelled):
        near = np.exp(-squared_distances(features[rows], labelled).min(axis=1) / width)
    selected = np.empty(count, np.int64)
    for place in range(count):
        gains = weights @ np.maximum(similarity - near[:, None], 0)
        gains[selected[:place]] = -1
        selected[place] = best = gains.argmax()
        near = np.maximum(near, similarity[:, best])
    return rows[selected]


def kernel_width(distances: Array, neighbours: int) -> float:
    """Twice the median of the squared distances to the neighbour of this rank: (n, n) → above 0."""
    rank = min(neighbours, len(distances) - 1)
    return 2 * float(np.median(np.partition(distances, rank, axis=1)[:, rank])) or 1.0


def squared_distances(features: Array, others: Array) -> Array:
    """(n, D), (m, D) → (n, m) float32."""
    lengths, of_others = ((np.square(each)).sum(axis=1) for each in (features, others))
    found: Array = np.maximum(lengths[:, None] + of_others - 2 * (features @ others.T), 0)
    return found
