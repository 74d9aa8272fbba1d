"""Every example's place, before anything is written: what it teaches, what it belongs to, which split it goes into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.prepare.classes import Targets, targets
from sprout.prepare.groups import equal_pictures, given_groups, joined
from sprout.prepare.shared import settle, shared_pictures
from sprout.prepare.splits import DRAWN, split, strata_of
from sprout.sources.listing import SPLITS, Array, Listing

MEASURED = (SPLITS.index("val"), SPLITS.index("test"))


@dataclass(frozen=True)
class Shares:
    """N examples, shared out."""

    targets: Targets
    pictures: Array
    """(N,) the first example with the same picture."""
    groups: Array
    """(N,) examples of one group lie in one drawn split."""
    shown_twice: int
    """How many are in no split, as another part of the source has their picture too."""
    untold: int
    """How many of the source's own val and test parts are in no split, as nobody says what they are."""
    rows: dict[str, Array]
    """The rows of each split, in the source's order."""


def share_out(
    listing: Listing,
    sound: Array,
    digests: Array | None,
    features: Array | None,
    *,
    strata: Mapping[str, Sequence[float]],
    duplicates: str,
    **amounts: Any,
) -> Shares:
    """Share the sound examples of a listing out over the splits.

    Args:
        listing: what the source has: N examples.
        sound: (n,) the rows that can be used.
        digests: (N, 16) uint8, equal where pictures are; None where they are rows of a table.
        features: (N, F) float32; None where they are images.
        strata: see `settings.prepare.Prepare`.
        duplicates: see `settings.prepare.Prepare`.
        amounts: further keyword arguments of `split`.

    Raises:
        UserError: there are too few examples for these settings, or equal pictures that are refused.
    """
    learned, given = targets(listing, sound), given_splits(listing.split, len(listing))
    pictures = np.arange(len(listing)) if digests is None else equal_pictures(digests, sound)
    single = settle(shared_pictures(sound, given, pictures), sound, given, listing.origin, duplicates)
    # What has no label cannot be measured, and a test part is not for learning from.
    used = single[learned.known[single] | ~np.isin(given[single], MEASURED)]
    groups = joined(given_groups(listing.group, len(listing)), pictures)
    bins = strata_of(learned, features, listing.features, strata)
    rows = split(used, given, learned, bins, groups, **amounts)
    return Shares(learned, pictures, groups, len(sound) - len(single), len(single) - len(used), rows)


def given_splits(split_names: pa.Array | None, count: int) -> Array:
    """The source's own split of each example, its place in `SPLITS`, or `DRAWN`: (N,) int8."""
    if split_names is None:
        return np.full(count, DRAWN, np.int8)
    found = pc.index_in(split_names, pa.array(SPLITS, pa.string())).fill_null(DRAWN)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int8)
