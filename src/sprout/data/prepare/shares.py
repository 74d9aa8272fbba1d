"""Every example's place, before anything is written: what it teaches, what it belongs to, which split it goes into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.prepare.classes import UNKNOWN, Targets, targets
from sprout.data.prepare.groups import equal_pictures, given_groups, joined
from sprout.data.prepare.shared import settle, shared_pictures
from sprout.data.prepare.splits import DRAWN, split, strata_of
from sprout.data.sources.listing import SPLITS, Array, Listing

TEST = SPLITS.index("test")


@dataclass(frozen=True)
class Shares:
    """N examples, shared out."""

    targets: Targets
    pictures: Array
    """(N,) the first example with the same picture."""
    groups: Array
    """(N,) examples of one group lie in one drawn split."""
    rows: dict[str, Array]
    """The rows of each split, in the source's order."""
    left_out: int
    """How many are in no split, as another part of the source has their picture too."""
    notes: list[str]
    """What a person should know, a line each."""


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
    learned, given = targets(listing, sound), own_parts(listing.split, len(listing))
    pictures = np.arange(len(listing)) if digests is None else equal_pictures(digests, sound)
    own_test = sound[given[sound] == TEST]
    replaced = own_test if amounts["test"] is not None else own_test[:0]
    wanted = np.setdiff1d(sound, replaced, assume_unique=True)
    used = settle(shared_pictures(wanted, given, pictures), wanted, given, listing.origin, duplicates)
    groups = joined(given_groups(listing.group, len(listing)), pictures)
    bins = strata_of(learned, features, listing.features, strata)
    rows, notes = split(used, given, learned, bins, groups, **amounts)
    if len(replaced):
        notes.append(f"the source's own test part ({len(replaced)} examples) is not used, as prepare.test is set")
    notes += [*across(rows, groups), *contradicting(sound, pictures, learned)]
    return Shares(learned, pictures, groups, rows, len(wanted) - len(used), notes)


def across(rows: dict[str, Array], groups: Array) -> list[str]:
    """Groups that the source itself has put into several of its parts; a drawn split has all of a group or nothing."""
    learned = np.concatenate([rows["train"], rows["unlabelled"]])
    found = [np.unique(groups[part]) for part in (learned, rows["val"], rows["test"])]
    several = int((np.unique(np.concatenate(found), return_counts=True)[1] > 1).sum())
    return [f"{several} groups lie in several of train, val and test: in the source's own parts"] if several else []


def contradicting(sound: Array, pictures: Array, learned: Targets) -> list[str]:
    """Equal pictures whose labels differ."""
    first = learned.index[pictures[sound]]
    count = int(((learned.index[sound] != first) & (learned.index[sound] != UNKNOWN) & (first != UNKNOWN)).sum())
    return [f"{count} pictures equal an earlier one that has another label (duplicates.csv)"] if count else []


def own_parts(split_names: pa.Array | None, count: int) -> Array:
    """The source's own split of each example, its place in `SPLITS`, or `DRAWN`: (N,) int8."""
    if split_names is None:
        return np.full(count, DRAWN, np.int8)
    found = pc.index_in(split_names, pa.array(SPLITS, pa.string())).fill_null(DRAWN)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int8)
