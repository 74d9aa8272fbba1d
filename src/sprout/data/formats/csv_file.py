"""A CSV file, read in batches of text: what a number is, or a missing value, is for the form to say."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

BLOCK = 4 << 20
"""Bytes read at a time; a row must fit."""
SEPARATORS = ",;\t"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class CsvFile:
    """A file whose first line names the columns. UTF-8; commas, semicolons or tabs between the fields."""

    path: Path
    name: str
    """As a person knows the file."""
    columns: list[str]
    separator: str

    def batches(
        self, columns: Sequence[str], ragged: dict[int, int] | None = None, newlines: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """These columns as text, null where a field is empty.

        Args:
            columns: names of columns.
            ragged: takes rows that do not have the head's number of fields: row, counted from 0 → fields. They
                count as rows, and are in no batch. Without it they are refused, all of them in one message.
            newlines: whether a quoted field may hold line ends.

        Raises:
            UserError: the file is not what its head says.
        """
        found: dict[int, int] = {} if ragged is None else ragged

        def skip(row: Any) -> str:
            found[row.number - 2] = row.actual_columns  # the head is number 1
            return "skip"

        blocks = -(-self.path.stat().st_size // BLOCK)
        yield from track(self.read(columns, skip, newlines), self.name, blocks)
        if ragged is None and found:
            first = ", ".join(f"row {row + 1} has {fields}" for row, fields in list(found.items())[:5])
            more = f" and {len(found) - 5} more rows" if len(found) > 5 else ""
            raise UserError(
                f"{self.name}: the head has {len(self.columns)} fields, but {first}{more}; "
                "give every row as many, and put quotes around a text that holds the separator"
            )

    def read(self, columns: Sequence[str], skip: Any, newlines: bool) -> Iterator[pa.RecordBatch]:
        """Batches by pyarrow, with its errors in plain words."""
        try:
            yield from pc.open_csv(
                self.path,
                # One thread: several do not say in which row an error is.
                pc.ReadOptions(use_threads=False, block_size=BLOCK, column_names=self.columns, skip_rows=1),
                pc.ParseOptions(delimiter=self.separator, newlines_in_values=newlines, invalid_row_handler=skip),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, pa.string()),
                    include_columns=list(columns),
                    null_values=[""],  # "NA" and "null" are texts like any other
                    strings_can_be_null=True,
                ),
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{self.name}: {in_plain_words(str(error))}") from None


def open_csv(path: Path, name: str) -> CsvFile:
    """Look at a file's head.

    Raises:
        UserError: it is empty, not UTF-8, or its first line names no columns.
    """
    line, marks = head(path, name), quotes(path, name)
    separator = max(SEPARATORS, key=line.count)
    try:
        columns = [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
        if not any(columns):
            raise csv.Error
    except (csv.Error, StopIteration):
        raise UserError(f"{name}: the first line names no columns; a head such as path,label is needed") from None
    if len(set(columns)) < len(columns):
        twice = sorted({column for column in columns if columns.count(column) > 1})
        raise UserError(
            f"{name}: the first line has {', '.join(map(repr, twice))} twice; a head is needed, a name for each column"
        )
    file = CsvFile(path, name, columns, separator)
    if marks % 2 and has_open_quote(file):
        raise UserError(f'{name}: a text begins with a quote (") that is never closed; close it')
    return file


def quotes(path: Path, name: str) -> int:
    """How many quotes a file has.

    Raises:
        UserError: it is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    blocks = -(-path.stat().st_size // BLOCK)
    found, line = 0, 1
    with path.open("rb") as content:
        for number in track(range(blocks), name, blocks):
            block = content.read(BLOCK)
            try:
                decoder.decode(block, final=number == blocks - 1)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise UserError(f"{name}: line {line} is not UTF-8; save the file as UTF-8") from None
            line += block.count(b"\n")
            found += block.count(b'"')
    return found


def has_open_quote(file: CsvFile) -> bool:
    """Whether the last field of a file holds a quote's beginning and the lines that follow it.

    A quote inside a text that has none around it, as in 5" disk, is a letter like any other.
    """
    last = None
    for batch in file.read([file.columns[-1]], lambda _: "skip", newlines=True):
        last = batch.column(0)[-1].as_py() if len(batch) else last
    return last is not None and "\n" in last


def head(path: Path, name: str) -> str:
    """The first line as text; whether all of it is UTF-8 is for others to say."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
    if not block.strip():
        raise UserError(f"{name}: an empty file; a table with a head is needed")
    if block.startswith(UTF16) or b"\0" in block[:4096]:
        raise UserError(f"{name}: not text in UTF-8 (UTF-16, or no text at all); save it as UTF-8")
    line = re.split(rb"[\r\n]", block, maxsplit=1)[0]
    return line.decode("utf-8-sig", "replace")


def in_plain_words(message: str) -> str:
    """What pyarrow says, in terms of rows."""
    if "straddling" in message:
        return f"a row is longer than {BLOCK >> 20} MiB, as after a quote that is never closed; close it"
    if "too short" in message or "Empty CSV" in message:
        return "a head and no rows; add some"
    return one_line(message)
