"""Stratified draws that keep groups together."""

import numpy as np

from sprout.sources.listing import Array


def draw(pool: Array, quotas: dict[int, int], strata: Array, groups: Array, seed: int) -> Array:
    """Draw rows out of a pool: as many of each stratum as its quota says, in whole groups.

    A group counts for the stratum of its first row. Where no more groups fit, fewer are drawn.

    Args:
        pool: (n,) rows to draw from, ascending.
        quotas: for each stratum how many rows.
        strata: (N,) each row's stratum.
        groups: (N,) each row's group.
        seed: of the order.

    Returns:
        the drawn rows, ascending.
    """
    _, first, group, size = np.unique(groups[pool], return_index=True, return_inverse=True, return_counts=True)
    stratum = strata[pool[first]]
    order = np.random.default_rng(seed).permutation(len(first))
    taken = np.zeros(len(first), bool)
    for each, quota in quotas.items():
        candidates = order[stratum[order] == each]
        taken[fill(candidates, size[candidates], quota)] = True
    return pool[taken[group]]


def fill(candidates: Array, size: Array, quota: int) -> Array:
    """The candidates that fill a quota, in their order; one that is too large for what is left is passed over."""
    kept = []
    while len(candidates) and quota:
        fits = size <= quota
        candidates, size = candidates[fits], size[fits]
        number = int(np.searchsorted(np.cumsum(size), quota, side="right"))
        kept.append(candidates[:number])
        quota -= int(size[:number].sum())
        candidates, size = candidates[number:], size[number:]
    return np.concatenate([np.zeros(0, np.int64), *kept])


def proportional(pool: Array, strata: Array, count: int) -> dict[int, int]:
    """How many rows of each stratum make up `count` in the pool's proportions, by largest remainders."""
    names, sizes = np.unique(strata[pool], return_counts=True)
    exact = sizes * count / max(1, sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    missing = count - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return dict(zip(names.tolist(), quotas.tolist(), strict=True))
