"""Arrays of labels or of numbers to learn, for the format `arrays`."""

import numpy as np
import pyarrow as pa

from sprout.data.formats.values import trimmed
from sprout.data.listing import Array
from sprout.runtime.errors import UserError

ACCEPTED = "(N,) or (N, 1) integers, whole floats, booleans or text, or one-hot (N, K)"


def class_texts(array: Array, name: str) -> pa.Array:
    """Return labels as text: (N,), (N, 1) or one-hot (N, K) → (N,) string, null for NaN and empty text.

    Raises:
        UserError: the array has another shape, or values that labels cannot have.
    """
    flat = np.asarray(array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array)
    if flat.ndim not in (1, 2) or flat.dtype.kind not in "biufUS" or (flat.ndim == 2 and flat.dtype.kind in "US"):
        raise UserError(f"{name}: shape {array.shape}, {array.dtype}; accepted: {ACCEPTED}; save it so")
    if flat.ndim == 2:
        return one_hot_texts(flat, name)
    if flat.dtype.kind == "f":
        return whole_texts(flat, name)
    try:
        if flat.dtype.kind == "S":
            flat = np.char.decode(flat, "utf-8")
        return trimmed(pa.array(flat.astype(flat.dtype.newbyteorder("="))).cast(pa.string()))
    except (UnicodeError, pa.ArrowInvalid):
        raise UserError(f"{name}: a label is not UTF-8; save the labels as Unicode text (dtype U)") from None


def one_hot_texts(array: Array, name: str) -> pa.Array:
    """Return the column that has the 1 of each row: (N, K) → (N,) string, null where a row has only zeros.

    Raises:
        UserError: there are other values than 0 and 1, or a row has several ones.
    """
    ones = np.asarray(array == 1)
    wrong = np.flatnonzero(((array != 0) & ~ones).any(axis=1) | (ones.sum(axis=1) > 1))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{name}: shape {array.shape}, and row {row} is {array[row].tolist()}, not one-hot; one class of each "
            "example is what can be learned: save (N,) labels"
        )
    return pa.array(ones.argmax(axis=1), mask=~ones.any(axis=1)).cast(pa.string())


def whole_texts(array: Array, name: str) -> pa.Array:
    """Return labels that are saved as floats: (N,) → (N,) string, null for NaN.

    Raises:
        UserError: one is not a whole number.
    """
    missing = np.isnan(array)
    wrong = np.flatnonzero(~missing & (~np.isfinite(array) | (array % 1 != 0)))
    if len(wrong):
        raise UserError(
            f"{name}: label {wrong[0]} is {array[wrong[0]]}; accepted for classes: whole numbers; to learn numbers, "
            "set download.format.number to true"
        )
    return pa.array(np.where(missing, 0, array).astype(np.int64), mask=missing).cast(pa.string())


def number_values(array: Array, name: str) -> pa.Array:
    """Return numbers to learn: (N,) or (N, 1) → (N,) float64, null where one is not finite.

    Raises:
        UserError: the array has another shape, or is not of numbers.
    """
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)) or array.dtype.kind not in "biuf":
        raise UserError(f"{name}: shape {array.shape}, {array.dtype}; accepted: (N,) or (N, 1) numbers; save it so")
    values = np.asarray(array, np.float64).reshape(-1)
    return pa.array(values, mask=~np.isfinite(values))
