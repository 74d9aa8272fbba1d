"""The tables that a setting names, and several of them with the same columns as one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sprout.data.formats.folder_names import shared_words, split_of, split_of_path, table_stem
from sprout.data.formats.text_table import TextTable, open_table
from sprout.runtime.errors import UserError, listed

NUMBERED = re.compile(r"(?P<before>.*?)\d+-of-(?P<total>\d+)(?P<checksum>-[0-9a-f]{16})?(?P<after>\..*)")
"""A part of a table as Hugging Face names it, once with a checksum, which nobody can know of another part."""


@dataclass(frozen=True)
class JoinedTable:
    """One table, or several whose rows follow each other; the first one has all columns."""

    tables: tuple[TextTable, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return listed([table.name for table in self.tables])

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.tables[0].columns

    @property
    def images(self) -> tuple[str, ...]:
        """Columns with the bytes of image files."""
        return self.tables[0].images

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Column → class names by index, where the file has some."""
        return getattr(self.tables[0], "classes", {})

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of each table; of one that a table lacks, null as text.

        Raises:
            UserError: a table is damaged.
        """
        for table in self.tables:
            present = [name for name in columns if name in table.columns]
            for batch in table.batches(present):
                yield batch if len(present) == len(columns) else with_nulls(batch, columns)

    def lengths(self) -> list[int]:
        """Count the rows of each table.

        Raises:
            UserError: a table is damaged.
        """
        return [sum(len(batch) for batch in table.batches(table.columns[:1])) for table in self.tables]

    def splits(self) -> list[str | None]:
        """Return the split that the name or folder of each table stands for; None where there is one table."""
        names = [table.name for table in self.tables]
        shared = shared_words([table_stem(name) for name in names])
        return [
            (split_of(table_stem(name), shared) or split_of_path(name)) if len(names) > 1 else None for name in names
        ]


def with_nulls(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Return these columns of a batch, null as text where it has none."""
    empty = pa.nulls(len(batch), pa.string())
    known = set(batch.schema.names)
    return pa.RecordBatch.from_arrays([batch.column(name) if name in known else empty for name in columns], [*columns])


def open_tables(root: Path, files: str | Sequence[str]) -> JoinedTable:
    """Open the tables that a setting names.

    Raises:
        UserError: there is none, or one cannot be read.
    """
    return JoinedTable(tuple(open_table(root, file) for file in table_files(root, files)))


def refuse_missing_parts(root: Path, files: Sequence[str]) -> None:
    """Refuse tables such as train-00000-of-00002.parquet without the others.

    Raises:
        UserError: one is missing.
    """
    for file in files:
        match = NUMBERED.fullmatch(file)
        if match is None or match["checksum"]:
            continue
        before, total, after = match["before"], match["total"], match["after"]
        names = [f"{before}{number:0{len(total)}}-of-{total}{after}" for number in range(int(total))]
        if missing := [name for name in names if name not in files]:
            raise UserError(f"{root / missing[0]}: missing, as {file} is one of {len(names)}; download it again")


def table_files(root: Path, files: str | Sequence[str]) -> list[str]:
    """Return the tables that names stand for, relative to the root.

    Raises:
        UserError: there is none.
    """
    if not isinstance(files, str):
        return [found for file in files for found in table_files(root, file)]
    if "*" not in files:
        return [files]
    found = sorted(str(path.relative_to(root)) for path in root.glob(files) if path.is_file())
    if not found:
        raise UserError(f"{files}: no such file in a folder of {root} (download.format.file)")
    return found


def described(files: str | Sequence[str]) -> str:
    """Return the value of a setting in words."""
    return files if isinstance(files, str) else listed(list(files))
