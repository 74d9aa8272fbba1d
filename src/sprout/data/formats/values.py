"""The entries of a table's column as text, as numbers and as bytes."""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.labels import translate
from sprout.data.listing import TEXT, Array
from sprout.runtime.errors import UserError

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:nan|inf|infinity)$"
BYTE = r"^0*([0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])(\.0*)?$"


def as_text(column: pa.Array, what: str) -> pa.Array:
    """Return a column as text: (n,) string, or large_string of such a column; null where it is empty.

    Args:
        column: text, numbers or booleans.
        what: the column's name in an error.

    Raises:
        UserError: the column contains lists or the like.
    """
    try:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)  # pandas writes missing values as NaN
        text = column if column.type == TEXT else pc.cast(column, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise UserError(f"{what}: {column.type} cannot be read; accepted: text, numbers and booleans") from None
    return pc.if_else(pc.equal(text, ""), None, text)


def trimmed(text: pa.Array) -> pa.Array:
    """Return text without the space around it, in Unicode's NFC, so that what looks the same is equal."""
    text = pc.utf8_trim_whitespace(text)
    if not pc.all(pc.string_is_ascii(text)).as_py():
        # pyarrow's own utf8_normalize decomposes in every form (apache/arrow, issue 51225).
        distinct = text.unique().drop_null().to_pylist()
        text, _ = translate(text, {each: unicodedata.normalize("NFC", each) for each in distinct})
    return pc.if_else(pc.equal(text, ""), None, text)


def floats(column: pa.Array) -> tuple[Array, Array]:
    """Return a column's numbers, and which entries are numbers: (n,) float64, 0 elsewhere, and (n,) bool.

    Args:
        column: (n,) text, or any type of number.
    """
    try:
        values, is_number = pc.cast(column, pa.float64()), column.is_valid()
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(column)
        is_number = pc.match_substring_regex(text, NUMBER).fill_null(False)
        values = pc.cast(pc.if_else(is_number, text, None), pa.float64())
    return values.fill_null(0.0).to_numpy(), is_number.to_numpy(zero_copy_only=False)


def bytes_of(text: pa.Array) -> tuple[Array, Array]:
    """Return integers in 0..255, and which texts are that: (n,) string → (n,) uint8, 0 elsewhere, and (n,) bool."""
    try:
        values, is_byte = pc.cast(text, pa.uint8()), text.is_valid()
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
        is_byte = pc.match_substring_regex(text, BYTE).fill_null(False)
        values = pc.cast(pc.cast(pc.if_else(is_byte, text, None), pa.float64()), pa.uint8())
    return values.fill_null(0).to_numpy(), is_byte.to_numpy(zero_copy_only=False)


def as_float32(values: Array) -> Array:
    """Return values as float32; what is beyond its range becomes infinite without a warning."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def row_names(file: str, count: int) -> pa.Array:
    """Return the origin of each row, counted from 1 without the header: (count,) large_string, "labels.csv row 17"."""
    rows = pc.cast(pa.array(np.arange(1, count + 1)), TEXT)
    return pc.binary_join_element_wise(pa.scalar(f"{file} row", TEXT), rows, pa.scalar(" ", TEXT))
