"""Empty entries of a table's features, which are NaN until the splits are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sprout.data.description import Column
from sprout.data.listing import Array, Listing
from sprout.runtime.errors import UserError, listed


def medians_of(listing: Listing, features: Array | None, train: Array) -> dict[int, float]:
    """The median of each feature that has empty entries, over the training split alone.

    Args:
        listing: N examples of a source.
        features: (N, F) float32; None for images.
        train: (n,) the rows of the training split.

    Raises:
        UserError: a feature is empty in all of them.
    """
    found: dict[int, float] = {}
    for place in listing.filled:
        assert features is not None, "only rows of a table have empty entries"
        assert listing.features is not None, "they have names"
        column = features[train, place]
        known = column[~np.isnan(column)]
        if not len(known):
            raise UserError(
                f"download.format.columns: {listing.features[place]!r} is empty in all {len(train):,} rows of the "
                "training split, which has no median then; leave it out of them"
            )
        found[place] = float(np.median(known))
    return found


def described(columns: Sequence[Column] | None, medians: dict[int, float]) -> list[Column] | None:
    """The columns of a table with what fills their empty entries; None where the source has none."""
    if columns is None:
        return None
    starts = np.cumsum([0, *(each.features for each in columns)]).tolist()
    return [replace(each, median=medians.get(start)) for each, start in zip(columns, starts, strict=False)]


def fill(rows: Array, medians: dict[int, float]) -> Array:
    """Put the medians in place of NaN: (n, F) float32 → (n, F) float32."""
    filled = rows.copy() if medians else rows
    for place, median in medians.items():
        column = filled[:, place]
        column[np.isnan(column)] = median
    return filled


def note_filled(names: Sequence[str] | None, medians: dict[int, float]) -> list[str]:
    """Report what stands in place of empty entries."""
    if names is None or not medians:
        return []
    each = [f"{names[place]!r} {median:.6g}" for place, median in medians.items()]
    return [f"empty entries are filled with the median of the training split: {listed(each)}"]
