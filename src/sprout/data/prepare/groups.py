"""Which examples belong together: the same given group, or the same picture pixel by pixel."""

import numpy as np
import pyarrow as pa

from sprout.data.sources.listing import Array


def given_groups(group: pa.Array | None, count: int) -> Array:
    """A number for each given group; an example without one is a group of its own: (N,) int64."""
    own = np.arange(count)
    if group is None:
        return own
    codes = group.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.full(codes.max(initial=-1) + 2, count)
    np.minimum.at(first, codes, own)
    return np.where(codes < 0, own, first[codes])


def equal_pictures(digests: Array, rows: Array) -> Array:
    """The first of these rows with the same digest; other rows stand for themselves.

    Args:
        digests: (N, 16) uint8.
        rows: (n,) ascending.

    Returns:
        (N,) int64.
    """
    same = np.arange(len(digests))
    keys = np.ascontiguousarray(digests[rows]).view("V16").ravel()
    _, first, code = np.unique(keys.view([("a", "<u8"), ("b", "<u8")]), return_index=True, return_inverse=True)
    same[rows] = rows[first[code]]
    return same


def joined(one: Array, other: Array) -> Array:
    """Groups that share an example become one, named by its first row: twice (N,) row numbers → (N,) int64."""
    own = np.arange(len(one))
    if np.array_equal(one, own) or np.array_equal(other, own):
        return np.minimum(one, other)
    # Its import takes half a second.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([one, other])
    links = coo_array((np.ones(len(ends), bool), (np.concatenate([own, own]), ends)), shape=(len(own), len(own)))
    _, code = connected_components(links, directed=False)
    first = np.full(code.max(initial=-1) + 1, len(own))
    np.minimum.at(first, code, own)
    return np.asarray(first[code])
