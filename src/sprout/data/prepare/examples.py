"""All decoded examples of a source, accessible by row, in bounded memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.config.prepare import Prepare
from sprout.data.listing import Array, Listing
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.decode_all import Decoded, decode_all
from sprout.data.prepare.parts import Parts
from sprout.runtime.engine import Engine
from sprout.runtime.errors import UserError


@dataclass(frozen=True)
class Examples:
    """N examples of one shape."""

    shape: tuple[int, ...]
    """(H, W, C) or (F,)."""
    dtype: str
    """uint8 or float32."""
    source: Parts | Array
    """Decoded images; or (N, F) float32, rows of a table."""

    @property
    def features(self) -> Array | None:
        """(N, F) float32 rows of a table; None for images."""
        return None if isinstance(self.source, Parts) else self.source

    def take(self, rows: Array) -> Array:
        """Return the examples of these rows: (n,) int64 → (n, *shape)."""
        return self.source.take(rows) if isinstance(self.source, Parts) else np.asarray(self.source[rows])


def load_examples(listing: Listing, folder: Path, settings: Prepare, engine: Engine) -> tuple[Examples, Decoded | None]:
    """Decode a listing's images into parts; rows of a table are used as they are.

    Args:
        listing: the examples of a source.
        folder: for the parts.
        settings: the section `prepare`.
        engine: where many examples are decoded.

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
        return Examples(found.shape[1:], "float32", found), None
    decoded = decode_all(
        found,
        folder,
        ImageFormat(
            settings.size, settings.channels, settings.resize, settings.max_pixels, settings.levels, settings.page
        ),
        engine,
        known_faults=listing.faults,
        near_duplicates=settings.near_duplicates,
    )
    return Examples(decoded.parts.shape, "uint8", decoded.parts), decoded
