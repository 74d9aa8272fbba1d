"""The columns of a table as features: numbers as they are, texts one-hot."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.faults import Faults
from sprout.data.formats.numbers import floats, narrowed
from sprout.data.formats.text_table import TextTable, as_text, trimmed
from sprout.data.sources.listing import Array
from sprout.runtime.errors import UserError

MOST_VALUES = 100
"""A text column with more different values is no category."""
COUNTED = 10_000
"""Different values are counted up to here."""
TRUTH = {"false": 0.0, "true": 1.0}


@dataclass
class Survey:
    """What a column holds."""

    what: str
    """The table and the column."""
    name: str
    filled: int = 0
    numbers: int = 0
    values: set[str] = field(default_factory=set)
    """Different texts, in no order; of `COUNTED` or more, some."""

    def see(self, column: pa.Array) -> None:
        """Look at a batch."""
        self.filled += len(column) - column.null_count
        if not is_text(column):
            self.numbers = self.filled
            return
        self.numbers += int(floats(column)[1].sum())
        if len(self.values) < COUNTED:
            self.values.update(column.unique().drop_null().to_pylist())

    def feature(self) -> "Feature":
        """What to make of it.

        A column most of whose entries are numbers is one of numbers; the other entries in it are faults.

        Raises:
            UserError: it is text and no category.
        """
        if 2 * self.numbers > self.filled or not self.filled:
            return Feature(self.name, None)
        if all(value.lower() in TRUTH for value in self.values):
            return Feature(self.name, None)
        if len(self.values) > MOST_VALUES:
            count = f"{len(self.values):,}" if len(self.values) < COUNTED else f"{COUNTED:,} or more"
            raise UserError(
                f"{self.what}: text with {count} different values, such as {min(self.values)!r}; "
                f"accepted: numbers, or at most {MOST_VALUES} values; leave it out of `columns`"
            )
        return Feature(self.name, sorted(self.values))


@dataclass(frozen=True)
class Feature:
    """How a column becomes numbers."""

    name: str
    values: list[str] | None
    """The texts of a category; None: it is a number, or true and false."""

    @property
    def names(self) -> list[str]:
        """What the numbers are called: F names."""
        return [self.name] if self.values is None else [f"{self.name}={value}" for value in self.values]

    def encode(self, column: pa.Array) -> tuple[Array, Faults]:
        """A batch of the column as numbers: (n,) → (n, F) float32, zeros where there is a fault."""
        filled = np.asarray(column.is_valid())
        if self.values is None:
            numbers, sound = numbers_of(column)
            encoded = narrowed(numbers)[:, None]
            sound &= np.isfinite(encoded[:, 0])
            encoded[~sound] = 0
        else:
            place = np.asarray(pc.index_in(column, pa.array(self.values, pa.string())).fill_null(0))
            encoded = np.eye(len(self.values), dtype=np.float32)[place] * filled[:, None]
            sound = filled
        return encoded, {row: self.fault(column[row].as_py()) for row in np.flatnonzero(~(sound & filled)).tolist()}

    def fault(self, entry: object) -> str:
        """What is wrong with an entry."""
        if entry is None:
            return f"column {self.name!r} is empty"
        return f"column {self.name!r} is {str(entry)!r}, not a finite number"


def is_text(column: pa.Array) -> bool:
    """Whether a column's type is that of text."""
    return bool(pa.types.is_string(column.type))


def numbers_of(column: pa.Array) -> tuple[Array, Array]:
    """Numbers, with true and false among them, and which entries are such: (n,) float64, (n,) bool."""
    if is_text(column):
        truth = pc.index_in(pc.utf8_lower(column), pa.array(list(TRUTH)))
        column = pc.if_else(truth.is_valid(), pc.cast(truth, pa.string()), column)
    return floats(column)


def entries_of(batch: pa.RecordBatch, name: str, what: str) -> pa.Array:
    """A column of a batch: numbers and booleans as float64, all else as text without space around it.

    Raises:
        UserError: it holds lists or the like.
    """
    column = batch.column(name)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(column, pa.float64(), safe=False)
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(column, pa.uint8()), pa.float64())
    return trimmed(as_text(column, what))


def survey(table: TextTable, columns: Sequence[str]) -> tuple[list[Feature], int]:
    """The features that these columns make, and the number of rows; one pass over the table."""
    seen = [Survey(f"{table.name}: column {name!r}", name) for name in columns]
    rows = 0
    for batch in table.batches(columns):
        rows += len(batch)
        for column in seen:
            column.see(entries_of(batch, column.name, column.what))
    if not rows:
        raise UserError(f"{table.name}: a head and no rows; add some")
    return [column.feature() for column in seen], rows
