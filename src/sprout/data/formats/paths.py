"""Format `paths`: tables with one row per image, which they name or hold, such as `path,label[,split,group]`."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Paths
from sprout.data.formats.embedded_images import write_images
from sprout.data.formats.file_tree import is_document, visible_entries, walk
from sprout.data.formats.finder import Finder, find_all
from sprout.data.formats.folder_names import split_of_path
from sprout.data.formats.image_rows import Rows, extended, joined, listing_of, repeated, rows_of_tables, used_columns
from sprout.data.formats.in_place import plain_archives, read_in_place, tables_in_place
from sprout.data.formats.joined_table import open_tables
from sprout.data.formats.text_table import TextTable, text_columns
from sprout.data.formats.values import row_names, trimmed
from sprout.data.listing import TEXT, Files, Listing, texts, values_of
from sprout.runtime.errors import UserError
from sprout.runtime.files import state_of


def read(root: Path, scratch: Path, settings: Paths) -> Listing:
    """List the images that a table names, with all faults of its rows.

    A row without a label is an unlabelled example, unless its split is val or test.

    Args:
        root: the data folder, which no path may leave.
        scratch: a folder for images that lie in compressed archives.
        settings: the table, and which columns are what.

    Raises:
        UserError: there is no such table, or it lacks a column.
    """
    if archives := plain_archives(root, settings):
        return read_in_place(archives, settings)
    table = open_tables(root, settings.file)
    if tables := tables_in_place(root, table, settings.path):
        return read_in_place(tables, settings)
    images = scratch / "images" if settings.path in table.images else None
    if images is None:
        parts = zip(table.tables, table.splits(), strict=True)
        rows = joined([read_table(root, part, settings, split) for part, split in parts])
    else:
        rows = joined(read_images(table.tables, settings, images))
    if not len(rows.files):
        raise UserError(f"{table.name}: no rows; add some")
    others = unlisted_files(root, rows.files) if settings.unlisted == "unlabelled" and images is None else texts([])
    version = version_of(root, table.tables) if images else ""
    return listing_of(rows, settings, Files(images or root, extended(rows.files, others), version), others)


def version_of(root: Path, tables: Sequence[TextTable]) -> str:
    """Return what changes with the images in tables, which are written to files in each run."""
    return " ".join(state_of(root / table.name) for table in tables)


def read_table(root: Path, table: TextTable, settings: Paths, split: str | None) -> Rows:
    """Read the rows of one table, and find their files.

    Args:
        root: the data folder.
        table: the table.
        settings: which columns are what.
        split: what the table's name stands for; None leaves it to the folders of the images.
    """
    used = used_columns(table, settings, without_labels=split is not None)
    present = [name for name in used if name in table.columns]
    text = text_columns(table, [settings.path, *present])
    paths = text[settings.path]
    files, faults = find_all(Finder(root, str(Path(table.name).parent)), paths)
    columns = {name: trimmed(text[name]) if name in text else pa.nulls(len(paths), TEXT) for name in used}
    splits = repeated(split, len(files)) if split else texts(map(split_of_path, values_of(files)))
    return Rows(paths, columns, files, row_names(table.name, len(paths)), splits, faults)


def read_images(tables: Sequence[TextTable], settings: Paths, folder: Path) -> Iterator[Rows]:
    """Yield the rows of each table, whose images are written into a folder."""
    found = (
        write_images(table, settings.path, used_columns(table, settings), folder, str(number))
        for number, table in enumerate(tables)
    )
    return rows_of_tables([table.name for table in tables], found)


def unlisted_files(root: Path, files: pa.Array) -> pa.Array:
    """Return the files under a folder that are neither among these nor documents, in a fixed order."""
    real = os.path.realpath(root)
    walked = walk(real, len(real.rstrip("/")) + 1, visible_entries(real))
    found = texts(path for path, fault in walked if fault is None and not is_document(os.path.basename(path)))
    return found.filter(pc.invert(pc.is_in(found, value_set=files)))
