"""Tables that hold their images and are read in place: uncompressed archives of a WebDataset, and Parquet files."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sprout.config.formats import Paths
from sprout.data.formats.embedded_images import Embedded, index_images
from sprout.data.formats.file_tree import locate
from sprout.data.formats.image_rows import joined, listing_of, rows_of_tables, used_columns
from sprout.data.formats.joined_table import JoinedTable, table_files
from sprout.data.formats.parquet_file import ParquetFile, open_placed_table
from sprout.data.formats.web_dataset import IMAGE, PLAIN_SUFFIX, is_compressed, open_placed
from sprout.data.listing import Array, Listing, Members, texts
from sprout.data.parquet_rows import image_column, stamp_of_table
from sprout.data.stored_file import Stored, stamp_of
from sprout.runtime.errors import UserError, listed
from sprout.runtime.progress import track


class Indexed(NamedTuple):
    """What is known of a table whose images stay in it."""

    rows: Embedded
    stamp: str
    """See `Members.stamps`."""
    groups: list[int] | None = None
    """Rows that are read together, group by group; None: each can be read alone."""
    kinds: dict[str, str] | None = None
    """Column → what is in it, for those with something; None: all is text."""


Run = Callable[[Iterator[partial[Indexed]]], Generator[Indexed]]
"""Runs tasks; their results come in order."""


def in_this_process(tasks: Iterator[partial[Indexed]]) -> Generator[Indexed]:
    """Run tasks here, one after another."""
    yield from (task() for task in tasks)


def read_in_place(tables: Sequence[Stored], settings: Paths, run: Run = in_this_process) -> Listing:
    """List the images in tables, which stay there.

    Args:
        tables: of one place; all uncompressed archives, or all Parquet files.
        settings: the columns.
        run: where they are read, by a task for each.

    Raises:
        UserError: one is damaged, is another one by now, lacks a column, or has something else in one than the others.
    """
    index = index_archive if is_archive(tables[0].name) else index_table
    with closing(run(partial(index, table, settings) for table in tables)) as found:
        indexed = [*track(found, "prepare: tables", len(tables))]
    check_kinds(tables, indexed)
    rows = joined(rows_of_tables([table.name for table in tables], (each.rows for each in indexed)))
    if not len(rows.files):
        raise UserError(f"{listed([table.title for table in tables])}: no rows; add some")
    stamps = {table.name: each.stamp for table, each in zip(tables, indexed, strict=True)}
    members = Members(Path(), rows.files, archives=tables[0].place, stamps=stamps, borders=borders_of(indexed))
    return listing_of(rows, settings, members, texts([]))


def is_archive(name: str) -> bool:
    """Whether a table is an uncompressed archive, judging by its name."""
    return name.lower().endswith(PLAIN_SUFFIX)


def index_archive(archive: Stored, settings: Paths) -> Indexed:
    """Return the rows of an archive, and where their images are; errors as for `read_in_place`."""
    table = open_placed(archive)
    return Indexed(index_images(table, settings.path, used_columns(table, settings)), archive.stamp)


def index_table(stored: Stored, settings: Paths) -> Indexed:
    """Return the rows of a Parquet file, whose images are not read; errors as for `read_in_place`."""
    table = open_placed_table(stored, settings.path)
    used = used_columns(table, settings)
    if settings.path not in table.images:
        known = f"those with some: {', '.join(map(repr, table.images))}" if table.images else "nor has another one"
        raise UserError(f"{table.name}: column {settings.path!r} has no images (download.format.path); {known}")
    kinds = {name: kind for name in used if (kind := kind_of(table.schema.field(name).type))}
    stamp = stamp_of_table(stored, image_column(settings.path, table.schema.field(settings.path).type))
    return Indexed(index_images(table, settings.path, used), stamp, table.groups(), kinds)


def kind_of(kind: pa.DataType) -> str:
    """Return what a column holds, "" for nothing; columns of different kinds write the same value differently."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    tests = {
        "": pa.types.is_null,
        "whole numbers": pa.types.is_integer,
        "numbers": pa.types.is_floating,
        "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    }
    return next((name for name, test in tests.items() if test(kind)), str(kind))


def check_kinds(tables: Sequence[Stored], indexed: Sequence[Indexed]) -> None:
    """Check that a column holds the same kind of values in all tables.

    Raises:
        UserError: in one it does not.
    """
    first: dict[str, tuple[str, Stored]] = {}
    for table, each in zip(tables, indexed, strict=True):
        for column, kind in (each.kinds or {}).items():
            known, other = first.setdefault(column, (kind, table))
            if kind != known:
                raise UserError(
                    f"{table.title}: column {column!r} has {kind}, and {known} in {other.name}; write all tables with "
                    "one schema"
                )


def borders_of(indexed: Sequence[Indexed]) -> Array | None:
    """Return `Members.borders`."""
    groups = [rows for each in indexed for rows in each.groups or []]
    return np.unique(np.cumsum([0, *groups])) if groups else None


def tables_in_place(root: Path, table: JoinedTable, column: str) -> list[Stored]:
    """Return the tables if all are Parquet files that hold their images; else none."""
    if column not in table.images or not all(isinstance(each, ParquetFile) for each in table.tables):
        return []
    return [stored_in(root, each.name) for each in table.tables]


def plain_archives(root: Path, settings: Paths) -> list[Stored]:
    """Return the archives that a setting names, if all tables are archives and none is compressed; else none."""
    names = [settings.file] if isinstance(settings.file, str) else settings.file
    if settings.path != IMAGE or not all(map(is_archive, names)):
        return []
    found = [stored_in(root, name) for name in table_files(root, settings.file)]
    return [] if any(map(is_compressed, found)) else found


def stored_in(root: Path, name: str) -> Stored:
    """Return a file of the data folder as it is now."""
    path = locate(root, name)
    return Stored(os.path.abspath(root), name, stamp_of(path), path.stat().st_size)
