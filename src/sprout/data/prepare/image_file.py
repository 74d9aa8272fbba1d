"""An image file under a root, decoded; what is wrong with it as a file. Imports only numpy, Pillow and simplejpeg."""

import errno
import os
import stat
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO

from sprout.data.prepare.decode import decode, one_fault
from sprout.data.prepare.pixels import Array, Fault

IN_MEMORY = 8 << 20
"""Files of up to so many bytes are read at once."""
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe would wait for somebody to write."""


def decode_file(
    root: str, path: str, *, size: tuple[int, int] | None, channels: int | None, resize: str, max_pixels: int
) -> Array:
    """Decode the file `path` under `root`: (H, W, C) uint8. To be called within `unhindered`.

    For the other arguments see `decode`.

    Raises:
        Fault: it is missing, empty, not readable or no file, lies outside the root, or `decode` refuses it.
    """
    with one_fault():
        file, length = opened(root, os.path.join(root, path))
        with file:
            try:
                return decode(file, size=size, channels=channels, resize=resize, max_pixels=max_pixels)
            except (OSError, EOFError) as error:
                if isinstance(error, EOFError) or "truncated" in str(error).lower():
                    raise Fault(f"truncated: {length:,} bytes are all there is") from None
                raise


def opened(root: str, path: str) -> tuple[BinaryIO, int]:
    """A file to read from and its length; a small one is in memory, by as few calls of the system as it takes.

    Raises:
        Fault: it is no file, is empty, or lies outside the root.
    """
    file = descriptor(root, path)
    try:
        length = checked_length(os.fstat(file))
        if length > IN_MEMORY:
            return open(os.dup(file), "rb"), length
        return BytesIO(os.read(file, length)), length
    finally:
        os.close(file)


def descriptor(root: str, path: str) -> int:
    """Open a path under the root; a link is followed where it stays there."""
    if not within(root, real(os.path.dirname(path))):
        raise Fault("lies outside the source's folder")
    try:
        return os.open(path, FLAGS | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise Fault("a device or pipe, not a file") from None
        if error.errno != errno.ELOOP:
            raise
    if not within(root, os.path.realpath(path)):
        raise Fault("a link that leads out of the source's folder")
    return os.open(path, FLAGS)


def checked_length(state: os.stat_result) -> int:
    """The length of a file in bytes, once it is clear that it is one, and not empty."""
    if stat.S_ISDIR(state.st_mode):
        raise Fault("a folder, not a file")
    if not stat.S_ISREG(state.st_mode):
        raise Fault("a device or pipe, not a file")
    if not state.st_size:
        raise Fault("zero bytes")
    return state.st_size


def within(root: str, place: str) -> bool:
    """Whether a real path lies under the root, or is the root."""
    top = real(root)
    return place == top or place.startswith(top.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)
def real(folder: str) -> str:
    """A folder without links. Kept, since it costs as much as reading a small file."""
    return os.path.realpath(folder)
