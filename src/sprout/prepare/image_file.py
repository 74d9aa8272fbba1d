"""An image file under a root, decoded; what is wrong with it as a file. Imports only numpy and Pillow."""

import os
import stat
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO

from sprout.prepare.decode import decode, one_fault
from sprout.prepare.pixels import Array, Fault

IN_MEMORY = 8 << 20
"""Files of up to so many bytes are read at once."""


def decode_file(
    root: str, path: str, *, size: tuple[int, int] | None, channels: int | None, resize: str, max_pixels: int
) -> Array:
    """Decode the file `path` under `root`: (H, W, C) uint8. For the other arguments see `decode`.

    Raises:
        Fault: it is missing, empty, not readable or no file, lies outside the root, or `decode` refuses it.
    """
    whole = os.path.join(root, path)
    with one_fault():
        length = checked_length(root, whole)
        with opened(whole, length) as file:
            try:
                return decode(file, size=size, channels=channels, resize=resize, max_pixels=max_pixels)
            except (OSError, EOFError) as error:
                if isinstance(error, EOFError) or "truncated" in str(error).lower():
                    raise Fault(f"truncated: {length:,} bytes are all there is") from None
                raise


def opened(path: str, length: int) -> BinaryIO:
    """A file to read from; a small one is in memory, by as few calls of the system as it takes."""
    if length > IN_MEMORY:
        return open(path, "rb")
    file = os.open(path, os.O_RDONLY)
    try:
        return BytesIO(os.read(file, length))
    finally:
        os.close(file)


def checked_length(root: str, path: str) -> int:
    """The length of a file in bytes, once it is clear that it is one, is not empty, and lies under the root."""
    state = os.lstat(path)
    if stat.S_ISLNK(state.st_mode):
        if not within(root, os.path.realpath(path)):
            raise Fault("a link that leads out of the source's folder")
        state = os.stat(path)
    elif not within(root, real(os.path.dirname(path))):
        raise Fault("lies outside the source's folder")
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
