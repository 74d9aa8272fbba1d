"""All decoded examples of a source, accessible by row, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.config.prepare import Prepare
from sprout.data.listing import Array, Listing
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.decode_all import Decoded, decode_all
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
    """The file of decoded images, row after row; None for rows of a table."""
    features: Array | None
    """(N, F) float32 rows of a table; None for images."""

    def take(self, rows: Array) -> Array:
        """Return the examples of these rows: (n,) int64 → (n, *shape)."""
        if self.features is not None:
            return np.asarray(self.features[rows])
        if not len(rows):
            return np.zeros((0, *self.shape), self.dtype)
        assert self.file is not None
        # Mapped again each time, so that pages touched by earlier calls do not stay in memory.
        taken: Array = np.memmap(self.file, np.uint8, "r", shape=(self.count, *self.shape))[rows]
        return taken

    def batches(self, rows: Array) -> Iterator[Array]:
        """Yield the examples of these rows in batches of some megabytes."""
        step = max(1, BATCH_BYTES // max(1, int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize))
        for start in range(0, len(rows), step):
            yield self.take(rows[start : start + step])


def load_examples(listing: Listing, scratch: Path, settings: Prepare) -> tuple[Examples, Decoded | None]:
    """Decode a listing's images into the file `scratch`; rows of a table are used as they are.

    Returns:
        the examples, and what decoding found out; None for rows of a table.

    Raises:
        UserError: near duplicates are requested for rows of a table, or for images of neither 1 nor 3 channels.
    """
    found = listing.examples
    if isinstance(found, np.ndarray) and found.ndim == 2:
        if settings.near_duplicates:
            raise UserError(
                "prepare.near_duplicates=true: compares images, but these are rows of a table; set it to null"
            )
        return Examples(len(found), found.shape[1:], "float32", None, found), None
    decoded = decode_all(
        found,
        scratch,
        ImageFormat(
            settings.size, settings.channels, settings.resize, settings.max_pixels, settings.levels, settings.page
        ),
        known_faults=listing.faults,
        near_duplicates=settings.near_duplicates,
    )
    return Examples(len(listing), decoded.shape, "uint8", scratch, None), decoded
