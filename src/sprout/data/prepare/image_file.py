"""Decode an image file that lies under a root folder. Imports only numpy, Pillow and simplejpeg."""

import errno
import os
import stat
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO

from sprout.data.contents import contents, is_inside
from sprout.data.hub_cache import link_boundary
from sprout.data.prepare.decode import ImageFormat, decode
from sprout.data.prepare.fault import Fault, as_fault
from sprout.data.prepare.open_image import Raw
from sprout.data.prepare.pixels import Array

IN_MEMORY = 8 << 20
"""Bytes; files up to this size are read in one call."""
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Without O_NONBLOCK, opening a pipe would wait for a writer."""


def decode_file(root: str, path: str | bytes, target: ImageFormat, raw: Raw | None = None) -> Array:
    """Decode the file `path` under `root`: (H, W, C) uint8. To be called within `without_pillow_limits`.

    Args:
        root: the folder, or the place of archives and tables.
        path: relative to it; or the name of what lies in an archive or a table, or its bytes.
        target: what the result looks like.
        raw: is filled, where it is wanted.

    Raises:
        Fault: it is missing, empty, not readable, not a regular file or outside the root, or `decode` refuses it.
        UserError: an archive or table is another one by now, or cannot be read.
    """
    if isinstance(path, str) and is_inside(path):
        (path,) = contents(root, [path])
    with as_fault():
        file, length = open_bytes(path) if isinstance(path, bytes) else open_file(root, os.path.join(root, path))
        with file:
            try:
                return decode(file, target, raw)
            except (OSError, EOFError) as error:
                if isinstance(error, EOFError) or "truncated" in str(error).lower():
                    raise Fault(f"truncated: the file has only {length:,} bytes") from None
                raise


def open_bytes(data: bytes) -> tuple[BinaryIO, int]:
    """Return the content of a file as one, with its length in bytes.

    Raises:
        Fault: it is empty.
    """
    if not data:
        raise Fault("zero bytes")
    return BytesIO(data), len(data)


def open_file(root: str, path: str) -> tuple[BinaryIO, int]:
    """Open a file and return it with its length in bytes; a small one is read into memory, to save system calls.

    Raises:
        Fault: it is not a regular file, is empty, or lies outside the root.
    """
    file = open_descriptor(root, path)
    try:
        length = checked_length(os.fstat(file))
        if length > IN_MEMORY:
            return open(os.dup(file), "rb"), length
        return BytesIO(os.read(file, length)), length
    finally:
        os.close(file)


def open_descriptor(root: str, path: str) -> int:
    """Open a path under the root; a link is followed if it stays under the root."""
    if not within(root, resolved(os.path.dirname(path))):
        raise Fault("lies outside the source's folder")
    try:
        return os.open(path, FLAGS | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise Fault("a device or pipe, not a file") from None
        if error.errno != errno.ELOOP:
            raise
    if not within(link_boundary(resolved(root)), os.path.realpath(path)):
        raise Fault("a link that leads out of the source's folder")
    return os.open(path, FLAGS)


def checked_length(state: os.stat_result) -> int:
    """Return the length of a file in bytes.

    Raises:
        Fault: it is not a regular file, or empty.
    """
    if stat.S_ISDIR(state.st_mode):
        raise Fault("a folder, not a file")
    if not stat.S_ISREG(state.st_mode):
        raise Fault("a device or pipe, not a file")
    if not state.st_size:
        raise Fault("zero bytes")
    return state.st_size


def within(root: str, place: str) -> bool:
    """Whether a resolved path lies under the root, or is the root."""
    top = resolved(root)
    return place == top or place.startswith(top.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)
def resolved(folder: str) -> str:
    """Return a folder's path without links. Cached: it costs as much as reading a small file."""
    return os.path.realpath(folder)
