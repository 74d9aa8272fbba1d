"""Pairs of images that differ only a little: encoded again, resized, slightly cropped, brighter.

There are two steps, because each alone errs. Images whose perceptual hashes (pHash, by the library ImageHash) differ in
at most `DISTANCE` of 64 bits are candidates. The hash sees only the coarsest pattern, so the pixels confirm it: both
images are averaged to 16×16 grey levels, which ignores noise and small shifts, and these must correlate by at least
`CORRELATION`, which ignores brightness and contrast. An image without a pattern correlates with nothing: two of them
may differ by `FLAT` levels. On CIFAR-10, 401 pairs have similar hashes and 273 of them are confirmed; on the test split
of Fashion-MNIST, where different garments look alike, 885 of 4,062. Of photographs cropped by 1% on each side 9 in 10
are found, of those cropped by 2% half.

Near duplicates are pairs, not groups: a chain of them may connect very different images.
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
"""Grey levels: the mean difference allowed if one image deviates from its own mean by less than one level."""
SIDE = 16
"""Pixels."""
MAX_PAIRS = 10_000
"""Pairs reported at most; a thousand blank pages alone would be half a million."""
BATCH = 4096
"""Pairs that are confirmed at once."""
IN_MEMORY = 8
"""Images in memory at once."""
CUTS = (0, 11, 22, 33, 44, 54, 64)
BLOCKS = tuple(np.uint64((1 << end) - (1 << start)) for start, end in pairwise(CUTS))
"""Six blocks of the bits of a hash. Four differing bits are in at most four of them: at least two blocks are equal."""


@dataclass(frozen=True)
class NearPairs:
    """M pairs of examples, sorted."""

    pairs: Array
    """(M, 2) int64 rows, the smaller one first."""
    distance: Array
    """(M,) int64: number of differing bits of the hashes."""
    difference: Array
    """(M,) float64: mean absolute difference, in grey levels of 255."""
    complete: bool
    """Whether these are all; otherwise the search stopped early."""


def near_pairs(hashes: Array, rows: Array, take: Callable[[Array], Array], max_pairs: int = MAX_PAIRS) -> NearPairs:
    """Find the near duplicates among some examples, in bounded memory.

    Args:
        hashes: (N,) uint64 perceptual hashes.
        rows: (n,) int64, the examples to compare; of equal images only one.
        take: returns the pixels of rows: (m,) int64 → (m, H, W, C) uint8.
        max_pairs: stop the search at this many pairs, or ten times as many candidates.
    """
    rows = np.sort(rows)
    confirmed, budget = [np.zeros((0, 4))], 10 * max_pairs
    for positions in candidates(hashes[rows]):
        pairs = rows[positions[:budget]]
        budget -= len(pairs)
        confirmed.append(confirm(pairs, hashes, take))
        if budget == 0 or sum(map(len, confirmed)) > max_pairs:
            return sorted_pairs(confirmed, max_pairs, complete=False)
    return sorted_pairs(confirmed, max_pairs, complete=True)


def sorted_pairs(confirmed: list[Array], max_pairs: int, *, complete: bool) -> NearPairs:
    """Combine the batches that `confirm` returned."""
    table = np.concatenate(confirmed)[:max_pairs]
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    return NearPairs(table[:, :2].astype(np.int64), table[:, 2].astype(np.int64), table[:, 3], complete)


def candidates(hashes: Array) -> Iterator[Array]:
    """Yield batches of pairs of positions whose hashes differ in few bits, each pair once: (n,) uint64 → (m, 2) int64.

    For every two blocks, sorting makes hashes that agree in both adjacent; each is then compared with its first,
    second, third … neighbour as long as any two agree.
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
    """Whether few bits differ, and no earlier choice of two blocks has found the pair already: (m,) bool."""
    near = np.bitwise_count(changed) <= DISTANCE
    for block in set(range(other)) - {one}:
        near &= (changed & BLOCKS[block]) != 0
    return near


def confirm(pairs: Array, hashes: Array, take: Callable[[Array], Array]) -> Array:
    """Return the pairs whose pixels agree too: (m, 2) rows → (k, 4): both rows, distance and difference."""
    shown, place = np.unique(pairs, return_inverse=True)
    grey = [
        coarse_grey(image)
        for start in range(0, len(shown), IN_MEMORY)
        for image in take(shown[start : start + IN_MEMORY])
    ]
    one, other = np.moveaxis(np.stack(grey)[place.reshape(pairs.shape)], 1, 0) if grey else np.zeros((2, 0, 1))
    difference = np.abs(one - other).mean(axis=1)
    distance = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    return np.column_stack([pairs, distance, difference])[same_pattern(one, other, difference)]


def same_pattern(one: Array, other: Array, difference: Array) -> Array:
    """Whether images correlate, or are flat and of nearly one level: (m, pixels) twice and (m,) → (m,) bool."""
    one, other = (levels - levels.mean(axis=1, keepdims=True) for levels in (one, other))
    flat = np.minimum(np.abs(one).mean(axis=1), np.abs(other).mean(axis=1)) < 1
    product, norms = (one * other).sum(axis=1), np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(flat, difference <= FLAT, product >= CORRELATION * norms)


def coarse_grey(pixels: Array) -> Array:
    """Average grey levels over a grid of 16×16: (H, W, C) uint8 → (256,) float64."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64).ravel()
