"""A table with a row per example, in CSV or Parquet: its columns, and its rows in batches."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.data.formats.csv_file import CsvFile, open_csv
from sprout.data.formats.inside import located
from sprout.data.sources.class_names import translated
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

MAGIC = b"PAR1"
ROWS = 65_536


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file; its columns have types, which a form may use."""

    path: Path
    name: str
    columns: list[str]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns as they are."""
        try:
            with pq.ParquetFile(self.path) as file:
                total = -(-file.metadata.num_rows // ROWS)
                yield from track(file.iter_batches(ROWS, columns=list(columns)), self.name, total)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.name}: damaged ({one_line(error)}); write it anew") from None


TextTable = CsvFile | ParquetFile


def open_table(root: Path, file: str) -> TextTable:
    """Open a table; its content says whether it is CSV or Parquet.

    Raises:
        UserError: there is no such file, or it is neither.
    """
    path = located(root, file)
    with path.open("rb") as start:
        parquet = start.read(4) == MAGIC
    if not parquet and path.suffix.lower() in (".parquet", ".pq"):
        raise UserError(f"{file}: not a Parquet file; write it anew, or name it .csv if it is one")
    if not parquet:
        return open_csv(path, file)
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file}: damaged ({one_line(error)}); write it anew") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{file}: has column {', '.join(map(repr, twice))} twice; give each a name of its own")
    return ParquetFile(path, file, names)


def require(table: TextTable, setting: str, *columns: str | None) -> None:
    """Check that a table has these columns.

    Args:
        table: which one.
        setting: the key that names them, for the message.
        columns: None is a column that is not wanted.

    Raises:
        UserError: it has not.
    """
    if missing := [column for column in columns if column is not None and column not in table.columns]:
        there = ", ".join(map(repr, table.columns[:20])) + (", …" if len(table.columns) > 20 else "")
        raise UserError(f"{table.name}: no column {', '.join(map(repr, missing))} ({setting}); there are: {there}")


def as_text(column: pa.Array, what: str) -> pa.Array:
    """A column as text: (n,) string, null where it is empty; `what` names it in an error.

    Raises:
        UserError: the column holds lists or the like.
    """
    try:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)  # as pandas writes what is missing
        text = pc.cast(column, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise UserError(f"{what}: {column.type} cannot be read; accepted: text, numbers and booleans") from None
    return pc.if_else(pc.equal(text, ""), None, text)


def trimmed(text: pa.Array) -> pa.Array:
    """Text without the space around it, in Unicode's NFC, so that what looks the same is the same."""
    text = pc.utf8_trim_whitespace(text)
    if not pc.all(pc.string_is_ascii(text)).as_py():
        # pyarrow's own utf8_normalize decomposes whatever the form (apache/arrow, issue 51225).
        distinct = text.unique().drop_null().to_pylist()
        text, _ = translated(text, {each: unicodedata.normalize("NFC", each) for each in distinct})
    return pc.if_else(pc.equal(text, ""), None, text)


def numbered(name: str, count: int) -> pa.Array:
    """Where rows come from, counted from 1 without the head: (count,) string such as "labels.csv row 17"."""
    rows = pc.cast(pa.array(np.arange(1, count + 1)), pa.string())
    return pc.binary_join_element_wise(f"{name} row", rows, " ")


def text_columns(table: TextTable, columns: Sequence[str]) -> dict[str, pa.Array]:
    """Whole columns as text: name → (N,) string, null where it is empty.

    Raises:
        UserError: the table has no rows, or is damaged.
    """
    wanted = list(dict.fromkeys(columns))
    chunks: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    for batch in table.batches(wanted):
        for name in wanted:
            chunks[name].append(as_text(batch.column(name), f"{table.name}: column {name!r}"))
    texts = {name: pa.concat_arrays(found) if found else pa.nulls(0, pa.string()) for name, found in chunks.items()}
    if not len(texts[wanted[0]]):
        raise UserError(f"{table.name}: a head and no rows; add some")
    return texts
