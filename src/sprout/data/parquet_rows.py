"""Parquet files on disk or in S3, read by ranges, and the images in one of their columns.

The images of a row group are read in a stream, up to the page with the last one that is asked for.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.data.members import MARK
from sprout.data.stored_file import BLOCK, Ranges, Stored
from sprout.runtime.errors import UserError, one_line

MAGIC = b"PAR1"
"""How a Parquet file begins and ends."""
TAIL = 8
"""Bytes at the end: the length of the footer, and MAGIC."""
FOOTERS = 8
"""Files whose footers a process keeps."""
ROWS, ROWS_BYTES = 256, 8 << 20
"""A batch of images has up to so many rows, and bytes on average."""
LEAST_BLOCK = 64 << 10
"""Bytes that are read ahead at least."""


class Row(NamedTuple):
    """A row of a table whose images lie in it."""

    table: Stored
    column: str
    """See `image_column`."""
    group: int
    """Row group."""
    row: int
    """In the row group."""


def row_name(table: str, group: int, row: int, length: int) -> str:
    """Return what names the image of a row, with about how many bytes it has."""
    return MARK.join((table, str(group), str(row), str(length)))


def stamp_of_table(table: Stored, column: str) -> str:
    """Return what is added to the names of a table's images: its stamp, its bytes and their column."""
    return MARK.join((table.stamp, str(table.size), column))


def row_of(place: str, name: str) -> Row:
    """Return the row of a name to which `stamp_of_table` has been added."""
    table, group, row, _length, stamp, size, column = name.split(MARK)
    return Row(Stored(place, table, stamp, int(size)), column, int(group), int(row))


def row_bytes(place: str, names: Iterable[str]) -> Iterator[bytes]:
    """Yield the images of rows, which ascend within each row group.

    Raises:
        UserError: a table is another one by now, is damaged, or cannot be read.
    """
    for (table, column, group), rows in groupby((row_of(place, name) for name in names), key=lambda row: row[:3]):
        yield from images_of_group(table, column, group, [row.row for row in rows])


def images_of_group(table: Stored, column: str, group: int, rows: list[int]) -> Iterator[bytes]:
    """Yield the images in some rows of a row group, reading no page after the last of them."""
    footer = footer_of(table)
    known = footer.row_group(group)
    chunk = next(
        known.column(number) for number in range(known.num_columns) if known.column(number).path_in_schema == column
    )
    each, needed = chunk.total_uncompressed_size // known.num_rows, rows[-1] + 1
    ahead = chunk.total_compressed_size * needed // known.num_rows
    wanted, start = iter(rows), 0
    row = next(wanted)
    with reading(table), opened(table, min(BLOCK, max(LEAST_BLOCK, ahead))) as file:
        for batch in file.iter_batches(
            max(1, min(ROWS, needed, ROWS_BYTES // max(1, each))), row_groups=[group], columns=[column]
        ):
            images = image_bytes(batch.column(0))
            while row < start + len(images):
                yield images[row - start].as_py()
                if (row := next(wanted, -1)) < 0:
                    return
            start += len(images)


def opened(table: Stored, ahead: int) -> pq.ParquetFile:
    """Return a table that is read by ranges of `ahead` bytes, or of a page, and of no column that is not asked for.

    pyarrow's `pre_buffer`, its default, would hold the columns of the whole file in memory.
    """
    source = pa.PythonFile(Ranges(table), mode="r")
    return pq.ParquetFile(source, metadata=footer_of(table), buffer_size=ahead, pre_buffer=False)


@lru_cache(FOOTERS)
def footer_of(table: Stored) -> pq.FileMetaData:
    """Return the footer of a table, and read no more of it.

    Raises:
        UserError: it is no Parquet file, is damaged, is another one by now, or cannot be read.
    """
    tail = table.read(max(0, table.size - TAIL), table.size)
    if tail[-len(MAGIC) :] != MAGIC or table.size < TAIL + len(MAGIC):
        raise UserError(f"{table.title}: not a Parquet file, or not all of one; write it again")
    start = table.size - TAIL - int.from_bytes(tail[: -len(MAGIC)], "little")
    with reading(table):
        return pq.read_metadata(pa.BufferReader(MAGIC + table.read(max(0, start), table.size - TAIL) + tail))


@contextmanager
def reading(table: Stored) -> Iterator[None]:
    """Say in one line that a table is damaged, while the block reads it."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{table.title}: damaged ({one_line(error)}); write it again") from None


def image_column(name: str, kind: pa.DataType) -> str:
    """Return the path in the file of a column's bytes: those of a struct are in its field `bytes`."""
    return f"{name}.bytes" if pa.types.is_struct(kind) else name


def image_bytes(column: pa.Array) -> pa.Array:
    """Return the bytes of image files: (n,) binary, null where there are none."""
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
