"""Equal pictures that the source itself has put into several of its parts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sprout.data.prepare.splits import DRAWN
from sprout.data.sources.listing import SPLITS, Array
from sprout.runtime.errors import UserError

RANK = np.array([2, 1, 3, 0, 2])
"""Which part keeps a picture, in the order of `SPLITS`, then `DRAWN`: the test part before all others, so that it stays
what it is."""


@dataclass(frozen=True)
class Shared:
    """Examples whose picture another part has too."""

    rows: Array
    """(n,) those that do not keep it."""
    same_as: Array
    """(n,) the example that does."""


def shared_pictures(rows: Array, given: Array, pictures: Array) -> Shared:
    """Find pictures that lie in several of the source's own parts.

    Args:
        rows: (n,) the sound examples.
        given: (N,) the source's own part of each example, its place in `SPLITS`; `DRAWN` where there is none.
        pictures: (N,) the first example with the same picture.
    """
    rank = RANK[given[rows]]
    order = np.lexsort((rows, rank, pictures[rows]))
    picture, rank, ordered = pictures[rows][order], rank[order], rows[order]
    starts = np.flatnonzero(np.concatenate([[True], picture[1:] != picture[:-1]])) if len(order) else order
    keeper = np.repeat(starts, np.diff([*starts, len(order)]))
    lower = rank > rank[keeper]
    by_row = np.argsort(ordered[lower])
    return Shared(ordered[lower][by_row], ordered[keeper][lower][by_row])


def settle(shared: Shared, rows: Array, given: Array, origin: pa.Array, policy: str) -> Array:
    """The rows that go on, by what `prepare.duplicates` says.

    Raises:
        UserError: there are some, and they are refused.
    """
    if policy == "refuse" and len(shared.rows):
        one, other = int(shared.rows[0]), int(shared.same_as[0])
        raise UserError(
            f"prepare.duplicates=refuse: {len(shared.rows)} pictures lie in several parts of the source, the first is "
            f"{origin[one]} ({part(given[one])}), equal to {origin[other]} ({part(given[other])}); remove them, "
            "or set it to move or keep"
        )
    return np.setdiff1d(rows, shared.rows, assume_unique=True) if policy == "move" else rows


def part(code: int) -> str:
    """The name of a part of the source."""
    return "train" if code == DRAWN else SPLITS[code]
