"""Stratified draws that keep groups together."""

import numpy as np

from sprout.data.sources.listing import Array


def draw(pool: Array, quotas: dict[int, int], strata: Array, groups: Array, seed: int) -> Array:
    """Draw rows out of a pool: as many of each stratum as its quota says, as far as whole groups allow.

    Groups come in a random order. One is taken if what is drawn is then nearer to the quotas, stratum by stratum in the
    sense of least squares, and not more rows in all.

    Args:
        pool: (n,) rows to draw from, ascending.
        quotas: for each stratum how many rows; one that is not named has 0.
        strata: (N,) each row's stratum.
        groups: (N,) each row's group.
        seed: of the order.

    Returns:
        the drawn rows, ascending.
    """
    _, group, size = np.unique(groups[pool], return_inverse=True, return_counts=True)
    names, stratum = np.unique(strata[pool], return_inverse=True)
    wanted = np.array([quotas.get(name, 0) for name in names.tolist()], np.int64)
    order = np.random.default_rng(seed).permutation(len(size))
    by_group = stratum[np.argsort(group, kind="stable")]
    taken = singles(by_group, wanted, order) if size.max(initial=1) == 1 else whole(by_group, size, wanted, order)
    return pool[taken[group]]


def singles(stratum: Array, wanted: Array, order: Array) -> Array:
    """Which groups are taken where each is one row: (G,) its stratum → (G,) bool."""
    taken = np.zeros(len(stratum), bool)
    for each, quota in enumerate(wanted.tolist()):
        taken[order[stratum[order] == each][:quota]] = True
    return taken


def whole(stratum: Array, size: Array, wanted: Array, order: Array) -> Array:
    """Which groups are taken: (n,) strata, group after group, and (G,) sizes → (G,) bool."""
    taken, left, starts = np.zeros(len(size), bool), wanted.copy(), np.cumsum(size) - size
    for each in order.tolist():
        has = np.bincount(stratum[starts[each] : starts[each] + size[each]], minlength=len(wanted))
        # |left - has|² < |left|²: nearer with it than without.
        if size[each] <= left.sum() and has @ has < 2 * (has @ left):
            taken[each], left = True, left - has
    return taken


def proportional(pool: Array, strata: Array, count: int) -> dict[int, int]:
    """How many rows of each stratum make up `count` in the pool's proportions, by largest remainders."""
    names, sizes = np.unique(strata[pool], return_counts=True)
    exact = sizes * count / max(1, sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    missing = count - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return dict(zip(names.tolist(), quotas.tolist(), strict=True))
