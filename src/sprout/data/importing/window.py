"""A narrower range for images of more than 8 bits, where a few pixels far from the others take most grey levels.

The pixels are counted in bins of a fixed number, so that memory does not grow with the images.
"""

from typing import NamedTuple

import numpy as np

from sprout.data.prepare.pixels import Array, Levels, to_8_bits

BINS = 1 << 16
"""At most; whole numbers of a smaller range have a bin each."""
WHOLE, UNIT = (0.0, 65535.0), (0.0, 1.0)
"""What pixels are scaled from without `prepare.levels`: integers, and floats."""
SHARES = (0.999, 0.99, 0.95, 0.85)
"""Of the pixels, that a window holds; the first is taken that uses clearly more grey levels."""
CLEARLY = 2
"""Times as many grey levels."""
REACH = 2
"""Widths of the window in which pixels beside it are looked for."""
SPARSE = 0.01
"""A density beside the window, as a share of that in it, below which pixels are outliers."""


class Window(NamedTuple):
    """A range that is suggested."""

    low: float
    high: float
    share: float
    """Of the pixels that lie in it."""
    used: int
    """Grey levels of 256 that the pixels would have."""


def count_levels(pixels: Array, levels: Levels | None) -> Array:
    """Count pixels by level: (BINS,) int64; those beyond the range are in the first and the last bin.

    Args:
        pixels: of more than 8 bits, finite.
        levels: the range; None takes the whole range of the type.
    """
    low, high = levels or (UNIT if pixels.dtype.kind == "f" else WHOLE)
    places = np.rint((pixels.astype(np.float64).ravel() - low) * bins_per_level(low, high))
    return np.bincount(np.clip(places, 0, BINS - 1).astype(np.int64), minlength=BINS)


def bins_per_level(low: float, high: float) -> float:
    """Return how many bins a step of 1 takes: one where the range has room for that, and is no range of fractions."""
    finest = (BINS - 1) / (high - low)
    return min(1.0, finest) if high - low >= 255 else finest


def suggest_window(counts: Array, levels: Levels) -> Window | None:
    """Return a range that holds most pixels, with clearly more grey levels; None where there is none.

    Args:
        counts: (BINS,) pixels by level, as `count_levels` returns them.
        levels: the range that they were counted in.
    """
    before = used(counts, levels, levels)
    scale, total = bins_per_level(*levels), counts.sum()
    for share in SHARES if total else ():
        first, last = widened(counts, *narrowest(counts, share))
        window = levels[0] + first / scale, levels[0] + last / scale
        if first < last and (after := used(counts, levels, window)) >= CLEARLY * before:
            return Window(*window, float(counts[first : last + 1].sum() / total), after)
    return None


def used(counts: Array, levels: Levels, window: Levels) -> int:
    """Return how many of 256 grey levels the pixels have, if they are scaled from the window."""
    places = np.flatnonzero(counts)
    return len(np.unique(to_8_bits(levels[0] + places / bins_per_level(*levels), window)))


def narrowest(counts: Array, share: float) -> tuple[int, int]:
    """Return the first and the last bin of the narrowest range with at least this share of the pixels."""
    places = np.flatnonzero(counts)
    until = np.cumsum(counts[places])
    before = until - counts[places]
    ends = np.searchsorted(until, before + share * until[-1] - 1e-9 * until[-1])
    starts = np.flatnonzero(ends < len(places))
    best = starts[np.argmin(places[ends[starts]] - places[starts])]
    return int(places[best]), int(places[ends[best]])


def widened(counts: Array, first: int, last: int) -> tuple[int, int]:
    """Return a range with the pixels beside it that are no outliers: they lie near, and are not much sparser."""
    while True:
        width = last - first + 1
        enough = SPARSE * counts[first : last + 1].sum() / width
        below, above = counts[max(0, first - REACH * width) : first], counts[last + 1 : last + 1 + REACH * width]
        found = [len(side) > 0 and side.sum() > enough * REACH * width for side in (below, above)]
        if not any(found):
            return first, last
        first -= len(below) - int(np.flatnonzero(below)[0]) if found[0] else 0
        last += 1 + int(np.flatnonzero(above)[-1]) if found[1] else 0
