"""Pairs of pictures that differ only a little: encoded anew, resized, slightly cropped, brighter.

Two steps, since each alone errs. Pictures whose perceptual hashes (pHash, by the library ImageHash) differ in at most
`DISTANCE` of 64 bits are candidates. The hash knows the coarsest pattern alone, so the pixels confirm: both pictures
are averaged down to 16×16 grey levels, which forgives noise and a small shift, and those must correlate by at least
`CORRELATION`, which forgives brightness and contrast. A picture without a pattern correlates with nothing: two of them
may differ by `FLAT` levels. On CIFAR-10, 401 pairs have near hashes and 273 of them pass; on the test part of
Fashion-MNIST, where different garments look alike, 885 of 4,062. Of photographs that lost 1% at each side 9 in 10 are
found, of those that lost 2% every second one.

Near duplicates are pairs, never groups: a chain of them may lead from a picture to a wholly different one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from PIL import Image

from sprout.data.store import Array
from sprout.runtime.progress import track

DISTANCE = 4
"""Bits."""
CORRELATION = 0.95
FLAT = 8.0
"""Grey levels: so far two pictures may differ on average if one of them departs from its mean by less than one."""
SIDE = 16
"""Pixels."""
MOST = 10_000
"""So many pairs are reported at most; a thousand blank pages alone would be half a million."""
BATCH = 4096
"""So many pairs are confirmed at a time."""
TAKEN = 8
"""So many pictures are in memory at a time."""
CUTS = (0, 11, 22, 33, 44, 54, 64)
BLOCKS = tuple(np.uint64((1 << end) - (1 << start)) for start, end in pairwise(CUTS))
"""Six parts of a hash. Four bits that differ lie in four of them at most: two parts at least are equal."""


@dataclass(frozen=True)
class NearPairs:
    """M pairs of examples, sorted."""

    pairs: Array
    """(M, 2) int64: rows, the smaller one first."""
    distance: Array
    """(M,) int64: bits in which the hashes differ."""
    difference: Array
    """(M,) float64: how far the pictures are apart on average, in grey levels of 255."""
    complete: bool
    """Whether these are all; else the search ended early, and there are more."""


def near_pairs(hashes: Array, rows: Array, take: Callable[[Array], Array], most: int = MOST) -> NearPairs:
    """Find the near duplicates among some examples, in bounded memory.

    Args:
        hashes: (N,) uint64 perceptual hashes.
        rows: (n,) int64, the examples to compare; of equal ones only one.
        take: gives the pixels of rows: (m,) int64 → (m, H, W, C) uint8.
        most: end the search at so many pairs, or ten times as many candidates.
    """
    rows = np.sort(rows)
    confirmed, left = [np.zeros((0, 4))], 10 * most
    for places in candidates(hashes[rows]):
        near = rows[places[:left]]
        left -= len(near)
        confirmed.append(confirm(near, hashes, take))
        if left == 0 or sum(map(len, confirmed)) > most:
            return listed(confirmed, most, complete=False)
    return listed(confirmed, most, complete=True)


def listed(confirmed: list[Array], most: int, *, complete: bool) -> NearPairs:
    """What `confirm` gave, put together."""
    table = np.concatenate(confirmed)[:most]
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    return NearPairs(table[:, :2].astype(np.int64), table[:, 2].astype(np.int64), table[:, 3], complete)


def candidates(hashes: Array) -> Iterator[Array]:
    """Pairs of places whose hashes differ in few bits, each pair once, in batches: (n,) uint64 → (m, 2) int64 each.

    For every two blocks, hashes that agree in both are brought side by side by sorting, and each is compared with
    its first, second, third … neighbour for as long as any two agree.
    """
    choices = list(combinations(range(len(BLOCKS)), 2))
    for one, other in track(choices, "prepare: near duplicates", len(choices)):
        key = hashes & (BLOCKS[one] | BLOCKS[other])
        order = np.argsort(key, kind="stable")
        key, at, step = key[order], np.arange(len(order)), 1
        while len(at := at[: np.searchsorted(at, len(key) - step)]):
            at = at[key[at] == key[at + step]]
            pairs = np.stack([order[at], order[at + step]], axis=1)
            near = pairs[is_near(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]], one, other)]
            yield from (near[start : start + BATCH] for start in range(0, len(near), BATCH))
            step += 1


def is_near(changed: Array, one: int, other: int) -> Array:
    """Whether few bits have changed, and none of the two blocks' that no earlier choice of two has found: (m,) bool."""
    near = np.bitwise_count(changed) <= DISTANCE
    for block in set(range(other)) - {one}:
        near &= (changed & BLOCKS[block]) != 0
    return near


def confirm(pairs: Array, hashes: Array, take: Callable[[Array], Array]) -> Array:
    """The pairs whose pixels agree, too: (m, 2) rows → (k, 4): both rows, distance and difference."""
    shown, place = np.unique(pairs, return_inverse=True)
    grey = [coarse(picture) for start in range(0, len(shown), TAKEN) for picture in take(shown[start : start + TAKEN])]
    one, other = np.moveaxis(np.stack(grey)[place.reshape(pairs.shape)], 1, 0) if grey else np.zeros((2, 0, 1))
    difference = np.abs(one - other).mean(axis=1)
    distance = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    return np.column_stack([pairs, distance, difference])[same_pattern(one, other, difference)]


def same_pattern(one: Array, other: Array, difference: Array) -> Array:
    """Whether pictures correlate, or are flat and of nearly one level: (m, pixels) twice and (m,) → (m,) bool."""
    one, other = (picture - picture.mean(axis=1, keepdims=True) for picture in (one, other))
    flat = np.minimum(np.abs(one).mean(axis=1), np.abs(other).mean(axis=1)) < 1
    product, norms = (one * other).sum(axis=1), np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(flat, difference <= FLAT, product >= CORRELATION * norms)


def coarse(picture: Array) -> Array:
    """Grey levels averaged over a grid of 16×16: (H, W, C) uint8 → (256,) float64."""
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64).ravel()
