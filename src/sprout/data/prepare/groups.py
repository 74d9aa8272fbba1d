"""Groups of examples that must stay in one split, and stratified draws that keep them whole."""

import numpy as np
import pyarrow as pa

from sprout.data.listing import Array


def number_groups(group: pa.Array | None, count: int) -> Array:
    """Number groups by their first row; an example without a group is its own: (N,) string → (N,) int64."""
    own = np.arange(count)
    if group is None:
        return own
    codes = group.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.full(codes.max(initial=-1) + 2, count)
    np.minimum.at(first, codes, own)
    return np.where(codes < 0, own, first[codes])


def merge_groups(one: Array, other: Array) -> Array:
    """Merge groups that share an example, numbered by their first row: twice (N,) row numbers → (N,) int64."""
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


def draw(pool: Array, quotas: dict[int, int], strata: Array, groups: Array, seed: int) -> Array:
    """Draw rows out of a pool: of each stratum as many as its quota, as far as whole groups allow.

    Groups come in random order. One is taken if it brings the drawn rows closer to the quotas, stratum by stratum in
    the least-squares sense, and the total is not exceeded.

    Args:
        pool: (n,) rows to draw from, ascending.
        quotas: stratum → number of rows; 0 for a missing stratum.
        strata: (N,) each row's stratum.
        groups: (N,) each row's group.
        seed: of the order.

    Returns:
        the drawn rows, ascending.
    """
    _, group, size = np.unique(groups[pool], return_inverse=True, return_counts=True)
    names, stratum = np.unique(strata[pool], return_inverse=True)
    quota = np.array([quotas.get(name, 0) for name in names.tolist()], np.int64)
    order = np.random.default_rng(seed).permutation(len(size))
    by_group = stratum[np.argsort(group, kind="stable")]
    single = size.max(initial=1) == 1
    taken = draw_single(by_group, quota, order) if single else draw_groups(by_group, size, quota, order)
    return pool[taken[group]]


def draw_single(stratum: Array, quotas: Array, order: Array) -> Array:
    """Choose groups where each is one row: (G,) strata → (G,) bool."""
    by_stratum = order[np.argsort(stratum[order], kind="stable")]
    sizes = np.bincount(stratum, minlength=len(quotas))
    place = np.arange(len(stratum)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    taken = np.empty(len(stratum), bool)
    taken[by_stratum] = place < np.repeat(quotas, sizes)
    return taken


def draw_groups(stratum: Array, size: Array, quotas: Array, order: Array) -> Array:
    """Choose groups: (n,) strata, sorted by group, and (G,) sizes → (G,) bool."""
    taken, missing, starts = np.zeros(len(size), bool), quotas.copy(), np.cumsum(size) - size
    for each in order.tolist():
        gain = np.bincount(stratum[starts[each] : starts[each] + size[each]], minlength=len(quotas))
        # |missing - gain|² < |missing|²: closer with it than without.
        if size[each] <= missing.sum() and gain @ gain < 2 * (gain @ missing):
            taken[each], missing = True, missing - gain
    return taken


def proportional_quotas(pool: Array, strata: Array, count: int) -> dict[int, int]:
    """Distribute `count` rows over the strata in the pool's proportions, by largest remainders."""
    names, sizes = np.unique(strata[pool], return_counts=True)
    exact = sizes * count / max(1, sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    missing = count - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return dict(zip(names.tolist(), quotas.tolist(), strict=True))
