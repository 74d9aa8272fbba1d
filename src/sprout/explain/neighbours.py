"""The labelled examples that look most alike to a model: the nearest ones by the cosine of their features."""

from typing import NamedTuple

import numpy as np

from sprout.data.store import Array

BLOCK = 1000
"""Queries that are compared at once."""


class Neighbours(NamedTuple):
    """The nearest of M examples for each of N queries, the nearest first."""

    rows: Array
    """(N, k) int64, positions among the M."""
    similarity: Array
    """(N, k) float32, the cosine: 1 for the same direction."""


def nearest(queries: Array, among: Array, wanted: int) -> Neighbours:
    """The nearest examples; of equal ones the earlier comes first.

    Args:
        queries: (N, D) features.
        among: (M, D) features.
        wanted: how many are found for each query, or all M.
    """
    wanted, pointing = min(wanted, len(among)), unit_length(among).T
    rows = np.empty((len(queries), wanted), np.int64)
    similarity = np.empty((len(queries), wanted), np.float32)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        cosine = unit_length(queries[block]) @ pointing
        rows[block] = np.argsort(-cosine, axis=1, kind="stable")[:, :wanted]
        similarity[block] = np.take_along_axis(cosine, rows[block], axis=1)
    return Neighbours(rows, similarity)


def unit_length(features: Array) -> Array:
    """(N, D) → rows of length 1; zeros stay."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: Array = features / np.maximum(length, np.finfo(np.float32).tiny)
    return scaled
