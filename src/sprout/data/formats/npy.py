"""NumPy arrays in files, .npy and .npz, mapped into memory and never unpickled; and new arrays."""

import math
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from sprout.data.formats.archive import ALWAYS_ALLOWED, MAX_RATIO
from sprout.data.listing import Array
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

CHUNK = 4 << 20
"""Bytes copied at a time: 4 MiB."""
MAX_SIDE = 2**48
"""Largest length of an axis."""
IN_MEMORY = 64 << 20
"""Bytes up to which an allocated array stays in memory: 64 MiB."""
SLICE = 16 << 20
"""Bytes of the rows that are processed at a time: 16 MiB."""


class Header(NamedTuple):
    """What the header of an array states."""

    shape: tuple[int, ...]
    file_size: int
    """Bytes of the header and the data."""


def open_npz(path: Path, key: str, name: str, scratch: Path) -> Array:
    """Copy an array out of an .npz file, and map it into memory.

    Args:
        path: the file.
        key: of the array; "" stands for the only one.
        name: the array in messages.
        scratch: a folder for the copy.

    Raises:
        UserError: there is no such array, it is damaged, or it contains Python objects.
    """
    copy = scratch / f"{len(list(scratch.iterdir()))}.npy"
    with opened_archive(path, name) as archive:
        extract(archive, member(archive, key, name), copy, name)
    return map_npy(copy, name)


def npz_shape(path: Path, key: str, name: str) -> tuple[int, ...]:
    """Return the shape of an array in an .npz file; arguments and errors as for `open_npz`."""
    with opened_archive(path, name) as archive, archive.open(member(archive, key, name)) as packed:
        return header(packed, name).shape


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file, without reading the arrays.

    Raises:
        UserError: it is not an .npz file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: not a valid .npz file ({error}); write it again with numpy.savez") from None


@contextmanager
def opened_archive(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Open an .npz file.

    Raises:
        UserError: it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UserError:
        raise
    except Exception as error:  # a damaged archive makes the readers raise nearly every type
        raise UserError(f"{name}: damaged or not an .npz file ({one_line(error)}); save it again") from None


def member(archive: zipfile.ZipFile, key: str, name: str) -> zipfile.ZipInfo:
    """Return the array with this key, or the only one."""
    arrays = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if not key and len(arrays) == 1:
        return next(iter(arrays.values()))
    if key not in arrays:
        known = ", ".join(map(repr, sorted(arrays))) or "none"
        raise UserError(f"{name}: no such array; there are: {known}; write FILE.npz:KEY")
    return arrays[key]


def extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, copy: Path, name: str) -> None:
    """Copy an array out of its archive, if its size is what its header states."""
    with archive.open(info) as packed:
        needed = header(packed, name).file_size
    if info.file_size > max(ALWAYS_ALLOWED, MAX_RATIO * info.compress_size):
        raise UserError(f"{name}: {info.compress_size} bytes unpack to {info.file_size}; save it uncompressed")
    if needed != info.file_size:
        raise UserError(f"{name}: {info.file_size} bytes where its header states {needed}; save it again")
    with archive.open(info) as packed, copy.open("wb") as file:
        steps = -(-info.file_size // CHUNK)
        for _ in track(range(steps), name, steps):
            file.write(packed.read(CHUNK))
        shutil.copyfileobj(packed, file)  # to the end, where the checksum is verified


def map_npy(path: Path, name: str) -> Array:
    """Map a file of one array into memory."""
    with path.open("rb") as file:
        head = header(file, name)
    if path.stat().st_size < head.file_size:
        raise UserError(
            f"{name}: {path.stat().st_size} bytes where its header states {head.file_size}; it is truncated"
        )
    empty = not math.prod(head.shape)
    array: Array = np.load(path, allow_pickle=False) if empty else np.lib.format.open_memmap(path, mode="r")
    return array


def header(file: IO[bytes], name: str) -> Header:
    """Read what an array's header states."""
    try:
        version: object = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if any(type(side) is not int or not 0 <= side < MAX_SIDE for side in shape):
            raise ValueError(f"shape {shape}")
    except Exception as error:  # a damaged header makes its parser raise nearly every type
        raise UserError(f"{name}: not a NumPy array ({one_line(error)}); write it with numpy.save") from None
    if dtype.hasobject:
        raise UserError(f"{name}: an array of Python objects, which is not read; save it as numbers or text")
    return Header(shape, file.tell() + math.prod(shape) * dtype.itemsize)


def allocate(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros: in memory, or in the file `path` if it is large."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)


def row_slices(array: Array) -> list[slice]:
    """Return the rows of an array in slices of a few megabytes."""
    rows = max(1, SLICE // max(1, array[:1].nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]
