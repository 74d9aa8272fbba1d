"""All examples of a source, decoded and at hand by their rows, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.data.prepare.pool import Decoded, decode_all
from sprout.data.sources.listing import Array, Listing
from sprout.runtime.errors import UserError

BATCH_BYTES = 8 << 20


@dataclass(frozen=True)
class Examples:
    """N examples of one shape."""

    count: int
    shape: tuple[int, ...]
    """(H, W, C) or (F,)."""
    dtype: str
    """uint8 or float32."""
    file: Path | None
    """Where decoded images lie, row after row."""
    features: Array | None
    """(N, F) float32, where they are rows of a table."""

    def take(self, rows: Array) -> Array:
        """The examples of these rows: (n,) int64 → (n, *shape)."""
        if self.features is not None:
            return np.asarray(self.features[rows])
        if not len(rows):
            return np.zeros((0, *self.shape), self.dtype)
        assert self.file is not None
        # Mapped anew each time: what an earlier call has touched does not stay in memory.
        taken: Array = np.memmap(self.file, np.uint8, "r", shape=(self.count, *self.shape))[rows]
        return taken

    def batches(self, rows: Array) -> Iterator[Array]:
        """The examples of these rows in batches of some megabytes."""
        step = max(1, BATCH_BYTES // max(1, int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize))
        for start in range(0, len(rows), step):
            yield self.take(rows[start : start + step])


def examples_of(
    listing: Listing,
    file: Path,
    *,
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str,
    max_pixels: int,
    near_duplicates: bool | None,
) -> tuple[Examples, Decoded | None]:
    """Decode a listing's images into a file; rows of a table are taken as they are.

    Args:
        listing: what the source has.
        file: where decoded images go.
        size: see `settings.prepare.Prepare` for this and all that follow.

    Raises:
        UserError: near duplicates are to be found among rows of a table, or images of neither one nor three channels.
    """
    found = listing.examples
    if isinstance(found, np.ndarray) and found.ndim == 2:
        if near_duplicates:
            raise UserError(
                "prepare.near_duplicates=true: compares pictures, but these are rows of a table; set it to null"
            )
        return Examples(len(found), found.shape[1:], "float32", None, found), None
    decoded = decode_all(
        found,
        file,
        known=listing.faults,
        size=size,
        channels=channels,
        resize=resize,
        max_pixels=max_pixels,
        near_duplicates=near_duplicates,
    )
    return Examples(len(listing), decoded.shape, "uint8", file, None), decoded
