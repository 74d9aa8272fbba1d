"""The columns of a table as features: numbers as they are, categories one-hot, and where an entry is empty."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.description import Column
from sprout.data.formats.csv_file import NO_ROWS
from sprout.data.formats.labels import NO_LABEL, NUMBER
from sprout.data.formats.text_table import TextTable
from sprout.data.formats.values import as_float32, as_text, floats, trimmed
from sprout.data.formats.written_numbers import Writing, WritingSurvey
from sprout.data.listing import Array, Faults
from sprout.runtime.errors import UserError, listed

MAX_CATEGORIES = 100
"""A text column with more distinct values is not a category."""
MAX_COUNTED = 10_000
"""Distinct values are counted up to this number."""
FEW = 20
"""So many distinct texts are a category, whatever they look like."""
WRITTEN_OUT = re.compile(r"[€$£¥#]? ?[+-]?[0-9][0-9.,:/ '’TZ+-]*( ?[%€$£¥°]| [A-Za-z]{1,4})?")
"""A number or a time with signs in it: $1,200.50, 5%, 12 kg, 2024-05-01, 10:30."""
DATE = re.compile(
    r".*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\b(19|20)[0-9]{2}\b.*", re.IGNORECASE | re.DOTALL
)
"""A date with the name of a month: May 1, 2024."""
BOOLEANS = {"false": 0.0, "true": 1.0}
UNKNOWN = "?"
"""What stands for a missing entry in the tables of UCI and Weka."""
EMPTY_WORDS = pa.array((*NO_LABEL, UNKNOWN))
"""What stands in a column of numbers where one is missing."""


@dataclass
class Survey:
    """What a column contains."""

    what: str
    """The table and the column, for messages."""
    name: str
    rows: int = 0
    filled: int = 0
    words: int = 0
    """Entries such as NA, which are empty in a column of numbers and a category in others."""
    numbers: int = 0
    values: set[str] = field(default_factory=set)
    """Distinct texts, unordered; not all of them if there are `MAX_COUNTED` or more."""
    written: WritingSurvey = field(default_factory=WritingSurvey)
    """Whether the texts are numbers with a currency, thousands separators or percent signs."""

    def update(self, column: pa.Array) -> None:
        """Add a batch of the column."""
        self.rows += len(column)
        self.filled += len(column) - column.null_count
        if not is_text(column):
            self.numbers = self.filled
            return
        words = is_empty_word(column)
        self.words += int(words.sum())
        self.numbers += int((floats(column)[1] & ~words).sum())
        distinct = column.unique().drop_null().to_pylist()
        self.written.update(entry for entry in distinct if entry not in NO_LABEL)
        if len(self.values) < MAX_COUNTED:
            self.values.update(distinct)

    @property
    def is_written_out(self) -> bool:
        """Whether most entries are numbers or times with signs in them, and not just a few different ones."""
        return 2 * self.numbers <= self.filled - self.words and is_written_out(self.values)

    def feature(self, *, fill: bool) -> "Feature":
        """Return how the column becomes numbers.

        If most entries are numbers, it is a column of numbers, and its other entries are faults.

        Args:
            fill: whether empty entries are to be filled, and another feature says where they were.

        Raises:
            UserError: it is empty in every row and to be filled, or text with too many distinct values for a category.
        """
        if not self.filled and fill:
            raise UserError(f"{self.what}: empty in every row; leave it out of `columns`")
        empty = self.rows - self.filled if fill else 0
        if self.numbers < self.filled - self.words and (written := self.written.found) is not None:
            return Feature(self.name, None, empty + self.words if fill else 0, written)
        if 2 * self.numbers > self.filled - self.words or not self.filled:
            return Feature(self.name, None, empty + self.words if fill else 0)
        if all(value.lower() in BOOLEANS for value in self.values):
            return Feature(self.name, None, empty)
        if len(self.values) > MAX_CATEGORIES:
            count = f"{len(self.values):,}" if len(self.values) < MAX_COUNTED else f"{MAX_COUNTED:,} or more"
            raise UserError(
                f"{self.what}: text with {count} distinct values, such as {min(self.values)!r}; "
                f"accepted: numbers, or at most {MAX_CATEGORIES} distinct values; leave it out of `columns`"
            )
        return Feature(self.name, sorted(self.values), empty, unclear=self.written.unclear)


def is_written_out(values: Collection[str]) -> bool:
    """Whether most of these distinct texts are numbers or times with signs in them, and there are many."""
    written = [value for value in values if WRITTEN_OUT.fullmatch(value) or DATE.fullmatch(value)]
    return len(values) > FEW and 2 * sum(not NUMBER.fullmatch(value) for value in written) > len(values)


@dataclass(frozen=True)
class Feature:
    """A column as one or several numbers."""

    name: str
    values: list[str] | None
    """The values of a category; None: the column contains numbers or booleans."""
    empty: int = 0
    """How many entries are empty and no faults: NaN in a column of numbers, none of the values of a category. If there
    are some, one more number is 1 there."""
    written: Writing | None = None
    """How its numbers are written, where they are not plain."""
    unclear: str | None = None
    """An entry of a category, where all could be numbers, but it is not clear which."""

    @property
    def names(self) -> list[str]:
        """Return the names of the F numbers."""
        names = [self.name] if self.values is None else [f"{self.name}={value}" for value in self.values]
        return [*names, f"{self.name} is empty"] if self.empty else names

    @property
    def column(self) -> Column:
        """Return what a model needs to know of it."""
        return Column(self.name, self.values, self.empty > 0, decimal=self.written.decimal if self.written else None)

    def encode(self, column: pa.Array) -> tuple[Array, Faults]:
        """Return a batch as numbers, (n,) → (n, F) float32, zeros where there is a fault; and the faults."""
        given = column
        if self.values is None:
            column = without_empty_words(given)
            if self.written is not None:
                column = self.written.plain_column(column)
            numbers, valid = numbers_of(column)
            encoded = as_float32(numbers)[:, None]
            valid &= np.isfinite(encoded[:, 0])
            encoded[~valid] = 0
        else:
            place = pc.index_in(column, pa.array(self.values, pa.string()))
            valid = np.asarray(place.is_valid())
            encoded = np.eye(len(self.values), dtype=np.float32)[np.asarray(place.fill_null(0))] * valid[:, None]
        if self.empty:
            empty = np.asarray(column.is_null())
            if self.values is None:
                encoded[empty] = np.nan
            encoded, valid = np.column_stack([encoded, empty.astype(np.float32)]), valid | empty
        return encoded, {row: self.fault(given[row].as_py()) for row in np.flatnonzero(~valid).tolist()}

    def fault(self, entry: object) -> str:
        """Return what is wrong with an entry."""
        if entry is None:
            return f"column {self.name!r} is empty"
        if self.values is not None:
            return (
                f"column {self.name!r} is {str(entry)!r}, not one of {listed([repr(value) for value in self.values])}"
            )
        return f"column {self.name!r} is {str(entry)!r}, not a finite number"


def note_written(features: Sequence[Feature]) -> list[str]:
    """Report which columns have numbers that are not plain, and how they are read."""
    written = [(each.name, each.written) for each in features if each.written is not None]
    read = [f"{name!r} ({how.example} is {how.plain(how.example)})" for name, how in written]
    unclear = [f"{each.name!r} (such as {each.unclear})" for each in features if each.unclear]
    notes = [f"numbers with signs or separators are read in {listed(read)}"] if read else []
    if unclear:
        notes.append(
            f"taken as categories, as it is not clear which numbers they are: {listed(unclear)}; write plain numbers, "
            "such as 1013 or 1.013, to use them as such"
        )
    return notes


def is_empty_word(column: pa.Array) -> Array:
    """Return where a column of text has one of `EMPTY_WORDS`: (n,) bool."""
    return np.asarray(pc.is_in(column, EMPTY_WORDS))


def without_empty_words(column: pa.Array) -> pa.Array:
    """Return a column with null in place of `EMPTY_WORDS`."""
    return pc.if_else(pc.is_in(column, EMPTY_WORDS), None, column) if is_text(column) else column


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
        numbers = pc.cast(column, pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), None, numbers)  # pandas writes missing values as NaN
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(column, pa.uint8()), pa.float64())
    return trimmed(as_text(column, what))


def find_features(table: TextTable, columns: Sequence[str], *, fill: bool) -> tuple[list[Feature], int]:
    """Return the features of these columns, and the number of rows, in one pass over the table.

    Args:
        table: the table.
        columns: some of its columns.
        fill: see `Survey.feature`.

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
    return [column.feature(fill=fill) for column in surveys], rows
