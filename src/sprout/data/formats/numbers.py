"""Text that should be numbers."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.sources.listing import Array

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:nan|inf|infinity)$"
BYTE = r"^0*([0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])(\.0*)?$"


def floats(column: pa.Array) -> tuple[Array, Array]:
    """Numbers, and which are meant as such: (n,) → (n,) float64, 0 where there is none, and (n,) bool.

    Args:
        column: text, or any type of number.
    """
    try:
        values, meant = pc.cast(column, pa.float64()), column.is_valid()
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(column)
        meant = pc.match_substring_regex(text, NUMBER).fill_null(False)
        values = pc.cast(pc.if_else(meant, text, None), pa.float64())
    return values.fill_null(0.0).to_numpy(), meant.to_numpy(zero_copy_only=False)


def bytes_of(text: pa.Array) -> tuple[Array, Array]:
    """Whole numbers in 0..255, and which texts are that: (n,) string → (n,) uint8, 0 elsewhere, and (n,) bool."""
    try:
        values, meant = pc.cast(text, pa.uint8()), text.is_valid()
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(text)
        meant = pc.match_substring_regex(trimmed, BYTE).fill_null(False)
        values = pc.cast(pc.cast(pc.if_else(meant, trimmed, None), pa.float64()), pa.uint8())
    return values.fill_null(0).to_numpy(), meant.to_numpy(zero_copy_only=False)


def narrowed(values: Array) -> Array:
    """As float32; what is beyond its range becomes infinite without a warning."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
