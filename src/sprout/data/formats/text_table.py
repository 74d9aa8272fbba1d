"""A table in CSV, Parquet, JSON lines, Excel, a list or a WebDataset: a row per example, its columns, in batches."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.json as pj

from sprout.data.formats.csv_file import NO_ROWS, open_csv
from sprout.data.formats.excel import EXCEL_SUFFIXES, open_sheet
from sprout.data.formats.file_tree import locate
from sprout.data.formats.memory_table import MemoryTable
from sprout.data.formats.parquet_file import PARQUET_SUFFIXES, open_parquet
from sprout.data.formats.path_list import is_path_list, open_path_list
from sprout.data.formats.values import as_text
from sprout.data.formats.web_dataset import as_entry, is_shard_name, open_shard
from sprout.data.listing import TEXT
from sprout.data.parquet_rows import MAGIC
from sprout.runtime.errors import UserError, listed, one_line

LINES_SUFFIXES = (".jsonl", ".ndjson")
JSON_SUFFIX = ".json"
TABLE_SUFFIXES = (".csv", ".tsv", ".data", *PARQUET_SUFFIXES, *LINES_SUFFIXES, *EXCEL_SUFFIXES)
"""Endings of the names of tables; not of a WebDataset's archives, and not .json, which is about anything."""
SHOWN = 20


def open_json_lines(path: Path, name: str) -> MemoryTable:
    """Read a file with a JSON object of the same keys in each line, as Hugging Face's metadata.jsonl.

    Raises:
        UserError: it is not that.
    """
    try:
        return MemoryTable(name, pj.read_json(path))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{name}: not a JSON object in each line ({one_line(error)})") from None


def open_json(path: Path, name: str) -> MemoryTable:
    """Read a file with a list of JSON objects, whose keys are columns, or with one object from paths to labels.

    Values that are lists or objects are left out.

    Raises:
        UserError: it is not that.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{name}: not JSON in UTF-8 ({one_line(error)})") from None
    if isinstance(value, dict) and not any(isinstance(each, list | dict) for each in value.values()):
        value = [{"path": path, "label": label} for path, label in value.items()]
    rows = value if isinstance(value, list) and all(isinstance(row, dict) for row in value) else []
    flat = [{key: as_entry(each) for key, each in row.items() if not isinstance(each, list | dict)} for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    if len(columns) < 2:
        keys = f" with the keys {listed([repr(key) for key in value])}" if isinstance(value, dict) else ""
        raise UserError(
            f"{name}: JSON of another shape{keys}; accepted: a list of objects with the keys path and label, or one "
            "object from paths to labels; write it so, or as a table path,label"
        )
    return MemoryTable(name, pa.table({key: pa.array([row.get(key) for row in flat], pa.string()) for key in columns}))


class TextTable(Protocol):
    """A table of any of these kinds, or several of them as one."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def images(self) -> tuple[str, ...]:
        """Columns with the bytes of image files."""

    def batches(self, columns: Sequence[str], /) -> Iterator[pa.RecordBatch]:
        """Yield these columns, null where a cell is empty."""


def open_table(root: Path, file: str) -> TextTable:
    """Open a table; its content decides between CSV and Parquet, its name tells the others.

    Raises:
        UserError: there is no such file, or it is neither.
    """
    path = locate(root, file)
    if path.suffix.lower() in EXCEL_SUFFIXES:
        return open_sheet(path, file)
    if is_shard_name(file):
        return open_shard(path, file)
    if is_path_list(path):
        return open_path_list(path, file)
    with path.open("rb") as start:
        is_parquet = start.read(4) == MAGIC
    if not is_parquet and path.suffix.lower() in PARQUET_SUFFIXES:
        raise UserError(f"{file}: not a Parquet file; write it again, or rename it to .csv if it is one")
    if path.suffix.lower() in LINES_SUFFIXES:
        return open_json_lines(path, file)
    if path.suffix.lower() == JSON_SUFFIX:
        return open_json(path, file)
    if not is_parquet:
        return open_csv(path, file)
    return open_parquet(path, file)


def require_columns(table: TextTable, *columns: str | None) -> None:
    """Check that a table has the columns that the settings name; None stands for no column.

    Raises:
        UserError: columns are missing.
    """
    if missing := [column for column in columns if column is not None and column not in table.columns]:
        known = ", ".join(map(repr, table.columns[:SHOWN])) + (", …" if len(table.columns) > SHOWN else "")
        raise UserError(
            f"{table.name}: no column {', '.join(map(repr, missing))} (download.format); there are: {known}"
        )


def text_columns(table: TextTable, columns: Sequence[str]) -> dict[str, pa.Array]:
    """Read columns as text: name → (N,) large_string, null where it is empty.

    Raises:
        UserError: the table has no rows, or is damaged.
    """
    names = list(dict.fromkeys(columns))
    chunks: dict[str, list[pa.Array]] = {name: [] for name in names}
    for batch in table.batches(names):
        for name in names:
            text = as_text(batch.column(name), f"{table.name}: column {name!r}")
            chunks[name].append(text.cast(TEXT))
    texts = {name: pa.concat_arrays(parts) if parts else pa.nulls(0, TEXT) for name, parts in chunks.items()}
    if not len(texts[names[0]]):
        raise UserError(f"{table.name}: {NO_ROWS}")
    return texts
