"""Arrays in idx, the format of MNIST's files (https://yann.lecun.com/exdb/mnist), plain or compressed by gzip."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from sprout.data.formats.archive import ALWAYS_ALLOWED, MAX_RATIO
from sprout.data.listing import Array
from sprout.runtime.errors import UserError, one_line

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The third byte of a file → the type of its values; the fourth is the number of axes."""
CHUNK = 1 << 20
"""Bytes copied at a time: 1 MiB."""
GZIP = b"\x1f\x8b"
DAMAGED = (OSError, EOFError, zlib.error, struct.error)


def is_idx(path: Path) -> bool:
    """Whether a file begins like one in this format."""
    try:
        with opened(path) as file:
            start = file.read(4)
    except DAMAGED:
        return False
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in TYPES and start[3] > 0


def opened(path: Path) -> BinaryIO:
    """Open a file, unpacking it on the way if it is compressed."""
    return cast(BinaryIO, gzip.open(path)) if is_compressed(path) else path.open("rb")


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed by gzip."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


def idx_shape(path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of the array in a file; errors as for `open_idx`."""
    try:
        with opened(path) as file:
            return header(file)[0]
    except DAMAGED as error:
        raise damaged(name, error) from None


def open_idx(path: Path, name: str, scratch: Path) -> Array:
    """Map the array of a file into memory.

    Args:
        path: the file.
        name: the array in messages.
        scratch: a folder for what a compressed file unpacks to.

    Raises:
        UserError: the file is damaged, or has another length than its header states.
    """
    try:
        with opened(path) as file:
            shape, dtype = header(file)
            start, size = file.tell(), math.prod(shape) * dtype.itemsize
            if is_compressed(path):
                allowed = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
                if size > allowed:
                    raise UserError(f"{name}: unpacks to {size} bytes, more than {allowed}; save it uncompressed")
                path, start = scratch / f"{len(list(scratch.iterdir()))}.idx", 0
                with path.open("wb") as copy:
                    copy_bytes(file, copy, size)
    except DAMAGED as error:
        raise damaged(name, error) from None
    found = path.stat().st_size - start
    if found != size:
        raise UserError(f"{name}: {found} bytes of values where its header states {size}; download or save it again")
    array: Array = np.memmap(path, dtype, "r", start, shape) if size else np.zeros(shape, dtype)
    return array


def copy_bytes(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy so many bytes and one more, if there is one; reading to the end verifies the checksum."""
    while size >= 0 and (data := source.read(min(CHUNK, size + 1))):
        target.write(data)
        size -= len(data)


def header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Read the shape and the type of the values."""
    start = file.read(4)
    axes = start[3]
    return struct.unpack(f">{axes}I", file.read(4 * axes)), np.dtype(TYPES[start[2]])


def damaged(name: str, error: Exception) -> UserError:
    """Return what is said of a damaged file."""
    return UserError(f"{name}: damaged ({one_line(error)}); download or save it again")
