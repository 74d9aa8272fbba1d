"""The bytes of images that lie inside of files, by the names under which a listing has them.

A name has parts, with MARK between them: in an archive (archive, offset, length); in a column of a Parquet file (file,
row group, row in it, about how many bytes). `Members.some` adds what is known of the file: its stamp; of a Parquet file
also its bytes and the column. Imports neither numpy nor pyarrow, which only Parquet files need.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sprout.data.members import MARK, member_bytes

IN_ARCHIVE, IN_TABLE = 3, 6
"""Marks in a name with what is known of the file; no path has any."""


def length_of(name: str) -> int:
    """Return the bytes of an image, from its name in a listing."""
    return int(name.rpartition(MARK)[2])


def marks_in(name: Any) -> int:
    """Return the number of marks: 0 of a path, of bytes, and of pixels."""
    return name.count(MARK) if isinstance(name, str) else 0


def is_inside(name: str) -> bool:
    """Whether a name is that of an image inside of a file, and no path."""
    return marks_in(name) > 0


def contents(place: str | None, names: Iterable[Any]) -> Iterator[Any]:
    """Yield the bytes of each image inside of a file in place of its name, others as they are.

    Neighbours in an archive are read by one request. Rows of a Parquet file are read in a stream for each row group.

    Raises:
        UserError: a file is another one by now, is damaged, or cannot be read.
    """
    for marks, some in groupby(names, marks_in):
        if marks == IN_ARCHIVE:
            yield from member_bytes(str(place), some)
        elif marks == IN_TABLE:
            from sprout.data.parquet_rows import row_bytes

            yield from row_bytes(str(place), some)
        else:
            yield from some
