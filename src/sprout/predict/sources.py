"""What the paths of a command line refer to: images, folders, archives, tables, and a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from rich.cells import cell_len

from sprout.data.formats.archive import is_packed, unpack
from sprout.data.formats.csv_file import NO_ROWS
from sprout.data.formats.embedded_images import write_images
from sprout.data.formats.file_tree import IMAGE_SUFFIXES
from sprout.data.formats.text_table import JSON_SUFFIX, TABLE_SUFFIXES, TextTable, open_table, text_columns
from sprout.data.formats.values import row_names, trimmed
from sprout.data.importing.table_columns import PATH_COLUMNS
from sprout.data.importing.table_sample import plain_name
from sprout.predict.image_files import ImageFile, files_in, named_file
from sprout.predict.items import Item, Reader, item_of_file, items_of_rows, refuse
from sprout.runtime.errors import UserError, listed, printable
from sprout.runtime.progress import BAR_DELAY, track

STDIN = "-"
ROWS_WIDTH = 9
"""Digits of the number of a row, for columns that are aligned."""


@dataclass(frozen=True)
class Source:
    """Some of the examples."""

    items: Iterable[Item]
    count: int | None
    """How many there are; None for a table that is read row by row."""
    width: int
    """Terminal cells of the longest name."""

    def tracked(self) -> Iterator[Item]:
        """Yield the items, and show the progress; a table that is read row by row shows its own."""
        if self.count is None:
            return iter(self.items)
        return track(self.items, "predict", self.count, delay=BAR_DELAY)


def find_sources(paths: Sequence[str], model: Reader, scratch: Path) -> Iterator[Source]:
    """Yield what each path refers to, in their order; images that follow one another are one source.

    Args:
        paths: image files, folders of them, archives, tables of paths, images or features; or `-`, for a list of paths
            on standard input.
        model: that takes them.
        scratch: an empty folder.

    Raises:
        UserError: an archive or a table cannot be read, or is not for this model.
    """
    given = [line for path in paths for line in ([path] if path != STDIN else listed_paths())]
    for number, (kind, several) in enumerate(groupby(given, kind_of)):
        if kind == "images":
            yield of_files([file for path in several for file in files_of(path)], model)
            continue
        for place, path in enumerate(several):
            folder = scratch / f"{number}-{place}"
            yield of_archive(path, folder, model) if kind == "archive" else of_table(path, folder, model)


def listed_paths() -> list[str]:
    """The paths on standard input, one in each line, or as `find -print0` separates them.

    Raises:
        UserError: there are none.
    """
    text = sys.stdin.read()
    paths = [path for path in (text.split("\0") if "\0" in text else text.splitlines()) if path.strip()]
    if not paths:
        raise UserError("-: no paths on standard input; write one on each line")
    return paths


def kind_of(path: str) -> str:
    """Whether a path is a table, an archive, or else one or several images."""
    name = path.lower()
    if os.path.isdir(path) or name.endswith(IMAGE_SUFFIXES):
        return "images"
    if name.endswith((*TABLE_SUFFIXES, JSON_SUFFIX)):
        return "table"
    return "archive" if os.path.isfile(path) and is_packed(Path(path)) else "images"


def files_of(path: str) -> list[ImageFile]:
    """The file of a path, or all files of a folder."""
    return files_in(path) if os.path.isdir(path) else [named_file(path)]


def of_files(files: Sequence[ImageFile], model: Reader) -> Source:
    """Image files.

    Raises:
        UserError: the model takes rows.
    """
    model.image_format()
    items = [item_of_file(file, model) for file in files]
    return Source(items, len(items), widest(items))


def of_archive(path: str, folder: Path, model: Reader) -> Source:
    """The images in an archive, which is unpacked into a new folder; one that is damaged or refused is a fault.

    Raises:
        UserError: the model takes rows.
    """
    model.image_format()
    try:
        unpack(Path(path), folder)
    except UserError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return Source([Item(path, partial(refuse, reason))], 1, cell_len(printable(path)))
    files = files_in(str(folder))
    return of_files([ImageFile(f"{path}/{file.path}", file.root, file.path, file.fault) for file in files], model)


def of_table(path: str, folder: Path, model: Reader) -> Source:
    """The images that a table names or holds, or its rows.

    Raises:
        UserError: it cannot be read, or lacks a column that the model needs.
    """
    if not os.path.isfile(path):
        raise UserError(f"{printable(path)}: no such file")
    directory, name = os.path.split(path)
    table = open_table(Path(directory or "."), name)
    if not model.takes_images:
        return Source(rows_of(table, path, model), None, cell_len(printable(path)) + len(" row ") + ROWS_WIDTH)
    if table.images:
        folder.mkdir()
        embedded = write_images(table, table.images[0], (), folder, "images")
        found = enumerate(embedded.files.to_pylist())
        files = [ImageFile("", str(folder), file, embedded.faults.get(row)) for row, file in found]
    else:
        column = path_column(table, directory)
        paths = trimmed(text_columns(table, [column])[column]).to_pylist()
        files = [named_in(directory, each, column) for each in paths]
    names = row_names(path, len(files)).to_pylist()
    named = [
        ImageFile(file.name or name, file.root, file.path, file.fault) for file, name in zip(files, names, strict=True)
    ]
    return of_files(named, model)


def path_column(table: TextTable, directory: str) -> str:
    """The column of a table that names images, relative to its directory.

    Raises:
        UserError: no column has a usual name of it, or the table has no header.
    """
    if files := [name for name in table.columns if os.path.isfile(os.path.join(directory, name))]:
        raise UserError(
            f"{printable(table.name)}: its first line names a file, {files[0]!r}; add a header, such as path, or give "
            "the list on standard input"
        )
    plain = {plain_name(column): column for column in table.columns}
    found = next((plain[name] for name in PATH_COLUMNS if name in plain), None)
    if found is None and len(table.columns) == 1:
        return table.columns[0]
    if found is None:
        known = listed([repr(each) for each in table.columns])
        raise UserError(
            f"{printable(table.name)}: no column of images among {known}; name it path, file, filename or image"
        )
    return found


def named_in(directory: str, path: str | None, column: str) -> ImageFile:
    """The file that a row names, relative to the folder of its table."""
    if path is None:
        return ImageFile("", directory, "", f"column {column!r} is empty")
    return named_file(os.path.join(directory, path))


def rows_of(table: TextTable, path: str, model: Reader) -> Iterator[Item]:
    """Yield the rows of a table of features.

    Raises:
        UserError: it lacks a column, or is damaged.
    """
    columns = [name for name in table.columns if name in model.column_names()]
    count = 0
    for batch in table.batches(columns or table.columns[:1]):
        rows, faults = model.read_rows(batch, path)
        yield from items_of_rows([f"{path} row {count + place + 1}" for place in range(len(rows))], rows, faults)
        count += len(rows)
    if not count:
        raise UserError(f"{printable(path)}: {NO_ROWS}")


def widest(items: Sequence[Item]) -> int:
    """Terminal cells of the longest name."""
    return max((cell_len(printable(each.name)) for each in items), default=0)
