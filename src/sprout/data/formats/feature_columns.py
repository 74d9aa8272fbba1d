"""The columns of a table as features: numbers as they are, categories one-hot."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.csv_file import NO_ROWS
from sprout.data.formats.text_table import TextTable
from sprout.data.formats.values import as_float32, as_text, floats, trimmed
from sprout.data.listing import Array, Faults
from sprout.runtime.errors import UserError

MAX_CATEGORIES = 100
"""A text column with more distinct values is not a category."""
MAX_COUNTED = 10_000
"""Distinct values are counted up to this number."""
BOOLEANS = {"false": 0.0, "true": 1.0}


@dataclass
class Survey:
    """What a column contains."""

    what: str
    """The table and the column, for messages."""
    name: str
    filled: int = 0
    numbers: int = 0
    values: set[str] = field(default_factory=set)
    """Distinct texts, unordered; not all of them if there are `MAX_COUNTED` or more."""

    def update(self, column: pa.Array) -> None:
        """Add a batch of the column."""
        self.filled += len(column) - column.null_count
        if not is_text(column):
            self.numbers = self.filled
            return
        self.numbers += int(floats(column)[1].sum())
        if len(self.values) < MAX_COUNTED:
            self.values.update(column.unique().drop_null().to_pylist())

    def feature(self) -> "Feature":
        """Return how the column becomes numbers.

        If most entries are numbers, it is a column of numbers, and its other entries are faults.

        Raises:
            UserError: it is text with too many distinct values for a category.
        """
        if 2 * self.numbers > self.filled or not self.filled:
            return Feature(self.name, None)
        if all(value.lower() in BOOLEANS for value in self.values):
            return Feature(self.name, None)
        if len(self.values) > MAX_CATEGORIES:
            count = f"{len(self.values):,}" if len(self.values) < MAX_COUNTED else f"{MAX_COUNTED:,} or more"
            raise UserError(
                f"{self.what}: text with {count} distinct values, such as {min(self.values)!r}; "
                f"accepted: numbers, or at most {MAX_CATEGORIES} distinct values; leave it out of `columns`"
            )
        return Feature(self.name, sorted(self.values))


@dataclass(frozen=True)
class Feature:
    """A column as one or several numbers."""

    name: str
    values: list[str] | None
    """The values of a category; None: the column contains numbers or booleans."""

    @property
    def names(self) -> list[str]:
        """Return the names of the F numbers."""
        return [self.name] if self.values is None else [f"{self.name}={value}" for value in self.values]

    def encode(self, column: pa.Array) -> tuple[Array, Faults]:
        """Return a batch as numbers, (n,) → (n, F) float32, zeros where there is a fault; and the faults."""
        filled = np.asarray(column.is_valid())
        if self.values is None:
            numbers, valid = numbers_of(column)
            encoded = as_float32(numbers)[:, None]
            valid &= np.isfinite(encoded[:, 0])
            encoded[~valid] = 0
        else:
            place = np.asarray(pc.index_in(column, pa.array(self.values, pa.string())).fill_null(0))
            encoded = np.eye(len(self.values), dtype=np.float32)[place] * filled[:, None]
            valid = filled
        return encoded, {row: self.fault(column[row].as_py()) for row in np.flatnonzero(~(valid & filled)).tolist()}

    def fault(self, entry: object) -> str:
        """Return what is wrong with an entry."""
        if entry is None:
            return f"column {self.name!r} is empty"
        return f"column {self.name!r} is {str(entry)!r}, not a finite number"


def is_text(column: pa.Array) -> bool:
    """Whether a column has the type string."""
    return bool(pa.types.is_string(column.type))


def numbers_of(column: pa.Array) -> tuple[Array, Array]:
    """Return numbers, true and false as 1 and 0, and which entries are numbers: (n,) float64, (n,) bool."""
    if is_text(column):
        booleans = pc.index_in(pc.utf8_lower(column), pa.array(list(BOOLEANS)))
        column = pc.if_else(booleans.is_valid(), pc.cast(booleans, pa.string()), column)
    return floats(column)


def entries_of(batch: pa.RecordBatch, name: str, what: str) -> pa.Array:
    """Return a column of a batch: numbers and booleans as float64, anything else as trimmed text.

    Args:
        batch: rows of the table.
        name: the column.
        what: the table and the column, for messages.

    Raises:
        UserError: it contains lists or the like.
    """
    column = batch.column(name)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(column, pa.float64(), safe=False)
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(column, pa.uint8()), pa.float64())
    return trimmed(as_text(column, what))


def find_features(table: TextTable, columns: Sequence[str]) -> tuple[list[Feature], int]:
    """Return the features of these columns, and the number of rows, in one pass over the table.

    Raises:
        UserError: the table has no rows, or a column cannot be a feature.
    """
    surveys = [Survey(f"{table.name}: column {name!r}", name) for name in columns]
    rows = 0
    for batch in table.batches(columns):
        rows += len(batch)
        for column in surveys:
            column.update(entries_of(batch, column.name, column.what))
    if not rows:
        raise UserError(f"{table.name}: {NO_ROWS}")
    return [column.feature() for column in surveys], rows
