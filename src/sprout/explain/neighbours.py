"""The labelled examples that look most alike to a model: the nearest ones by the cosine of their features."""

from typing import NamedTuple

import numpy as np

from sprout.data.store import Array
from sprout.runtime.progress import track

BLOCK_VALUES = 10_000_000
"""Cosines that are computed at once; each takes 16 bytes of memory."""


class Neighbours(NamedTuple):
    """The nearest of M examples for each of N queries, the nearest first."""

    rows: Array
    """(N, k) int64, positions among the M."""
    similarity: Array
    """(N, k) float32, the cosine: 1 for the same direction."""


def nearest(queries: Array, among: Array, wanted: int) -> Neighbours:
    """The nearest examples; shows progress.

    Args:
        queries: (N, D) features.
        among: (M, D) features, M from 1.
        wanted: how many are found for each query, or all M.
    """
    wanted, directions = min(wanted, len(among)), unit_length(among).T
    rows = np.empty((len(queries), wanted), np.int64)
    similarity = np.empty((len(queries), wanted), np.float32)
    size = max(1, BLOCK_VALUES // len(among))
    starts = range(0, len(queries), size)
    for start in track(starts, "neighbours", len(starts)):
        block = slice(start, start + size)
        rows[block], similarity[block] = largest(unit_length(queries[block]) @ directions, wanted)
    return Neighbours(rows, similarity)


def largest(values: Array, wanted: int) -> tuple[Array, Array]:
    """The columns of the largest values of each row, and these values; of equal ones the earlier column comes first."""
    columns = np.sort(np.argpartition(-values, wanted - 1, axis=1)[:, :wanted], axis=1)
    found = np.take_along_axis(values, columns, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(found, order, axis=1)


def unit_length(features: Array) -> Array:
    """(N, D) → rows of length 1; zeros stay."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: Array = features / np.maximum(length, np.finfo(np.float32).tiny)
    return scaled
