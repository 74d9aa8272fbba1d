"""A CSV file, read in batches of text; its format decides what a number or a missing value is."""

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

BLOCK = 4 << 20
"""Bytes read at a time, 4 MiB, and the longest row."""
SEPARATORS = ",;\t"
SEPARATOR_LINE = re.compile(r"sep=([,;\t])")
"""The first line of a file in which Excel is told the separator."""
NO_ROWS = "a header without rows; add some"
DECIMAL_COMMA = r"^(\s*[+-]?[0-9]+),([0-9]+\s*)$"
"""A number as it is written in many languages; a file whose separator is the comma has none."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


Skip = Callable[[pc.InvalidRow], str]
"""Handles a row with another number of fields than the header."""


@dataclass(frozen=True)
class CsvFile:
    """A UTF-8 file whose header names the columns, separated by commas, semicolons or tabs."""

    path: Path
    name: str
    """For messages."""
    columns: list[str]
    separator: str
    head: int = 1
    """Lines up to the names of the columns."""
    images: ClassVar[tuple[str, ...]] = ()
    """There are none."""

    def batches(
        self, columns: Sequence[str], ragged: dict[int, int] | None = None, newlines: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Yield these columns as text, null where a field is empty; a decimal comma becomes a point.

        Args:
            columns: names of columns.
            ragged: is filled with the rows that have another number of fields than the header: row, counted from 0,
                → fields. They count as rows and are in no batch. Without it, such a file is refused.
            newlines: whether a quoted field may contain line ends.

        Raises:
            UserError: rows have another number of fields than the header, or the file cannot be parsed.
        """
        skipped: dict[int, int] = {} if ragged is None else ragged

        def skip(row: pc.InvalidRow) -> str:
            skipped[row.number - 1 - self.head] = row.actual_columns  # the first line is row number 1
            return "skip"

        blocks = -(-self.path.stat().st_size // BLOCK)
        yield from track(self.read(columns, skip, newlines), self.name, blocks)
        if ragged is None and skipped:
            first = ", ".join(f"row {row + 1} has {fields}" for row, fields in list(skipped.items())[:5])
            more = f" and {len(skipped) - 5} more rows differ" if len(skipped) > 5 else ""
            raise UserError(
                f"{self.name}: the header has {len(self.columns)} fields, but {first}{more}; "
                f"give every row as many, and quote text that contains the separator{title_hint(self.columns, skipped)}"
            )

    def read(self, columns: Sequence[str], skip: Skip, newlines: bool) -> Iterator[pa.RecordBatch]:
        """Yield batches from pyarrow; its errors become a `UserError`."""
        try:
            batches = pc.open_csv(
                self.path,
                # Only a single thread reports the row of an error.
                pc.ReadOptions(use_threads=False, block_size=BLOCK, column_names=self.columns, skip_rows=self.head),
                pc.ParseOptions(delimiter=self.separator, newlines_in_values=newlines, invalid_row_handler=skip),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, pa.string()),
                    include_columns=list(columns),
                    null_values=[""],  # "NA" and "null" are ordinary text
                    strings_can_be_null=True,
                ),
            )
            yield from batches if self.separator == "," else map(with_points, batches)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{self.name}: {explain(str(error))}") from None


def with_points(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same entries with a point in numbers that have a decimal comma."""
    columns = [compute.replace_substring_regex(column, DECIMAL_COMMA, r"\1.\2") for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def open_csv(path: Path, name: str) -> CsvFile:
    """Read the header of a file and check its text.

    Raises:
        UserError: the file is empty or not UTF-8, its first line does not name the columns, or a quote is not closed.
    """
    (line, *others), quotes = first_lines(path, name), count_quotes(path, name)
    told = SEPARATOR_LINE.fullmatch(line)
    line = others[0] if told and others else line
    separator = told[1] if told else max(SEPARATORS, key=line.count)
    try:
        columns = [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
        if not any(columns):
            raise csv.Error
    except (csv.Error, StopIteration):
        raise UserError(f"{name}: the first line does not name the columns; add a header such as path,label") from None
    if len(set(columns)) < len(columns):
        twice = sorted({column for column in columns if columns.count(column) > 1})
        raise UserError(
            f"{name}: the first line has {', '.join(map(repr, twice))} twice; add a header with a name for each column"
        )
    file = CsvFile(path, name, columns, separator, 2 if told else 1)
    if quotes % 2 and has_open_quote(file):
        raise UserError(f'{name}: a text begins with a quote (") that is never closed; close it')
    return file


def count_quotes(path: Path, name: str) -> int:
    """Count the quotes in a file, decoding all of it.

    Raises:
        UserError: it is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    blocks = -(-path.stat().st_size // BLOCK)
    quotes, line = 0, 1
    with path.open("rb") as content:
        for number in track(range(blocks), name, blocks):
            block = content.read(BLOCK)
            try:
                decoder.decode(block, final=number == blocks - 1)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise UserError(f"{name}: line {line} is not UTF-8; save the file as UTF-8") from None
            line += block.count(b"\n")
            quotes += block.count(b'"')
    return quotes


def has_open_quote(file: CsvFile) -> bool:
    """Whether the last field of a file begins with a quote and runs over the lines that follow.

    A quote within unquoted text, as in 5" disk, is an ordinary character.
    """
    last = None
    for batch in file.read([file.columns[-1]], lambda _: "skip", newlines=True):
        last = batch.column(0)[-1].as_py() if len(batch) else last
    return last is not None and "\n" in last


def title_hint(columns: Sequence[str], skipped: dict[int, int]) -> str:
    """Return what to do about a first line that does not name the columns, judging by the rows that do not fit it."""
    return f"; if the first line ({columns[0][:40]!r}) is a title, remove it" if {0, 1} <= {*skipped} else ""


def first_lines(path: Path, name: str) -> list[str]:
    """Return the first two lines; `count_quotes` checks that it is UTF-8.

    Raises:
        UserError: the file is empty, or evidently not UTF-8.
    """
    with path.open("rb") as file:
        block = file.read(BLOCK)
    if not block.strip():
        raise UserError(f"{name}: an empty file; a table with a header is needed")
    if block.startswith(UTF_16) or b"\0" in block[:4096]:
        raise UserError(f"{name}: not UTF-8 text (UTF-16, or not text at all); save it as UTF-8")
    lines = re.split(rb"\r\n|\r|\n", block, maxsplit=2)[:2]
    return [lines[0].decode("utf-8-sig", "replace"), *(line.decode("utf-8", "replace") for line in lines[1:])]


def explain(message: str) -> str:
    """Return a message of pyarrow in terms of rows."""
    if "straddling" in message:
        return f"a row is longer than {BLOCK >> 20} MiB, as after a quote that is never closed; close it"
    if "too short" in message or "Empty CSV" in message:
        return NO_ROWS
    return one_line(message)
