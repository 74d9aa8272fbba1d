"""Images that lie in the tables that name their labels: known by their names there, or written to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sprout.data.formats.text_table import TextTable
from sprout.data.formats.values import as_text
from sprout.data.listing import TEXT, Faults, Texts, values_of
from sprout.data.parquet_rows import image_bytes


class Embedded(NamedTuple):
    """The rows of a table with images in it."""

    files: pa.Array
    """(N,) large_string: relative to the folder of the images, "" where there is a fault."""
    columns: dict[str, pa.Array]
    """Name → (N,) large_string, null where it is empty."""
    faults: Faults


def index_images(table: TextTable, column: str, others: Sequence[str]) -> Embedded:
    """Read the columns of a table; the images stay where they are.

    Args:
        table: the table.
        column: with the names of images, as `contents` reads them.
        others: the columns to read.

    Raises:
        UserError: the table is damaged.
    """
    files = [pa.nulls(0, TEXT)]
    chunks: dict[str, list[pa.Array]] = {name: [pa.nulls(0, TEXT)] for name in others}
    for batch in table.batches([column, *others]):
        files.append(batch.column(column).fill_null("").cast(TEXT))
        for name in others:
            chunks[name].append(as_text(batch.column(name), f"{table.name}: column {name!r}").cast(TEXT))
    joined = pa.concat_arrays(files)
    faults = {row: no_image(column) for row, file in enumerate(values_of(joined)) if not file}
    return Embedded(joined, {name: pa.concat_arrays(parts) for name, parts in chunks.items()}, faults)


def no_image(column: str) -> str:
    """Return the fault of a row without an image."""
    return f"no image in column {column!r}"


def write_images(table: TextTable, column: str, others: Sequence[str], folder: Path, place: str) -> Embedded:
    """Write the images of a table to files, and read its other columns.

    Args:
        table: the table.
        column: with the bytes of image files.
        others: the columns to read.
        folder: of the images of all tables.
        place: the folder in there for those of this table.

    Raises:
        UserError: the table is damaged.
    """
    (folder / place).mkdir(parents=True)
    files, row = Texts(), 0
    chunks: dict[str, list[pa.Array]] = {name: [pa.nulls(0, TEXT)] for name in others}
    faults: Faults = {}
    for batch in table.batches([column, *others]):
        for data in image_bytes(batch.column(column)):
            if data.is_valid:
                (folder / place / str(row)).write_bytes(memoryview(data.as_buffer()))
            else:
                faults[row] = no_image(column)
            files.append(f"{place}/{row}" if data.is_valid else "")
            row += 1
        for name in others:
            chunks[name].append(as_text(batch.column(name), f"{table.name}: column {name!r}").cast(TEXT))
    return Embedded(files.end(), {name: pa.concat_arrays(parts) for name, parts in chunks.items()}, faults)
