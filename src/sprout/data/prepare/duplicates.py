"""Images that are equal pixel by pixel, and what happens to those that the source has put into several splits."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.listing import SPLITS, Array
from sprout.runtime.errors import UserError

TO_DRAW = -1
"""The code of an example that the source has put into no split."""
PRIORITY = np.array([2, 1, 3, 0, 2])
"""Which split keeps a shared image, lowest first; in the order of `SPLITS`, then `TO_DRAW`. The test split comes first,
so that it stays complete."""


@dataclass(frozen=True)
class SharedImages:
    """Examples whose image is also in another of the source's splits."""

    rows: Array
    """(n,) those that do not keep it."""
    keepers: Array
    """(n,) the examples that do."""


def source_splits(names: pa.Array | None, count: int) -> Array:
    """Return the source's own split of each example: (N,) int8 indices into `SPLITS`, or `TO_DRAW`."""
    if names is None:
        return np.full(count, TO_DRAW, np.int8)
    codes = pc.index_in(names, pa.array(SPLITS, pa.string())).fill_null(TO_DRAW)
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int8)


def first_equal(digests: Array, rows: Array) -> Array:
    """Return for each of these rows the first with the same digest; every other row is its own.

    Args:
        digests: (N, 16) uint8.
        rows: (n,) ascending.

    Returns:
        (N,) int64.
    """
    first_row = np.arange(len(digests))
    keys = np.ascontiguousarray(digests[rows]).view("V16").ravel()
    _, first, code = np.unique(keys.view([("a", "<u8"), ("b", "<u8")]), return_index=True, return_inverse=True)
    first_row[rows] = rows[first[code]]
    return first_row


def find_shared(rows: Array, splits: Array, images: Array) -> SharedImages:
    """Find images that are in several of the source's splits.

    Args:
        rows: (n,) the usable examples.
        splits: (N,) see `source_splits`.
        images: (N,) the first example with the same image.
    """
    priority = PRIORITY[splits[rows]]
    order = np.lexsort((rows, priority, images[rows]))
    image, priority, ordered = images[rows][order], priority[order], rows[order]
    starts = np.flatnonzero(np.concatenate([[True], image[1:] != image[:-1]])) if len(order) else order
    keeper = np.repeat(starts, np.diff([*starts, len(order)]))
    dropped = priority > priority[keeper]
    by_row = np.argsort(ordered[dropped])
    return SharedImages(ordered[dropped][by_row], ordered[keeper][dropped][by_row])


def resolve_shared(shared: SharedImages, rows: Array, splits: Array, origin: pa.Array, policy: str) -> Array:
    """Return the rows that remain under the policy `prepare.duplicates`: move, refuse or keep.

    Raises:
        UserError: there are shared images, and the policy is refuse.
    """
    if policy == "refuse" and len(shared.rows):
        one, other = int(shared.rows[0]), int(shared.keepers[0])
        raise UserError(
            f"prepare.duplicates=refuse: {len(shared.rows)} images are in several of the source's splits, the first is "
            f"{origin[one]} ({split_name(splits[one])}), equal to {origin[other]} ({split_name(splits[other])}); "
            "remove them, or set it to move or keep"
        )
    return np.setdiff1d(rows, shared.rows, assume_unique=True) if policy == "move" else rows


def split_name(code: int) -> str:
    """Return the name of one of the source's splits."""
    return "train" if code == TO_DRAW else SPLITS[code]
