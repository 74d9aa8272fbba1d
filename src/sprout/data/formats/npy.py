"""Arrays of numpy in files, opened without being read: `FILE.npy`, or `FILE.npz:KEY`. Nothing is unpickled."""

import math
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from sprout.data.formats.inside import located
from sprout.data.sources.archive import HARMLESS, MAX_RATIO
from sprout.data.sources.listing import Array
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

CHUNK = 4 << 20
LONGEST = 2**48
"""No side of an array that exists is longer."""
KEPT_AS = ".npy"


def open_array(root: Path, name: str, scratch: Path) -> Array:
    """Map an array into memory.

    Args:
        root: where the file lies.
        name: FILE.npy, or FILE.npz:KEY; the key can be left out where there is one array.
        scratch: a folder to which an array is copied out of its archive.

    Raises:
        UserError: there is no such array, it is damaged, or it holds Python objects.
    """
    file, _, key = name.partition(".npz:")
    if not key and not name.endswith(".npz"):
        return mapped(located(root, name), name)
    path = located(root, f"{file}.npz" if key else name)
    copy = scratch / f"{len(list(scratch.iterdir()))}.npy"
    try:
        with zipfile.ZipFile(path) as archive:
            extract(archive, member(archive, key, name), copy, name)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged archive makes the readers stumble over
        raise UserError(f"{name}: damaged, or no .npz file ({one_line(error)}); write it anew") from None
    return mapped(copy, name)


def member(archive: zipfile.ZipFile, key: str, name: str) -> zipfile.ZipInfo:
    """The array of this key, or the only one."""
    there = {found.filename.removesuffix(KEPT_AS): found for found in archive.infolist()}
    if not key and len(there) == 1:
        return next(iter(there.values()))
    if key not in there:
        raise UserError(
            f"{name}: no such array; there are: {', '.join(map(repr, sorted(there))) or 'none'}; write FILE.npz:KEY"
        )
    return there[key]


def extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, copy: Path, name: str) -> None:
    """Copy an array out of its archive, if it is what its head says."""
    with archive.open(info) as packed:
        start, size = header(packed, name)
    if info.file_size > max(HARMLESS, MAX_RATIO * info.compress_size):
        raise UserError(f"{name}: {info.compress_size} bytes that unpack to {info.file_size}; save it unpacked")
    if start + size != info.file_size:
        raise UserError(f"{name}: {info.file_size} bytes where its head says {start + size}; write it anew")
    with archive.open(info) as packed, copy.open("wb") as file:
        steps = -(-info.file_size // CHUNK)
        for _ in track(range(steps), name, steps):
            file.write(packed.read(CHUNK))
        shutil.copyfileobj(packed, file)  # read to the end, where the checksum is compared


def mapped(path: Path, name: str) -> Array:
    """Map a file of one array."""
    with path.open("rb") as file:
        start, size = header(file, name)
    if path.stat().st_size < start + size:
        raise UserError(f"{name}: {path.stat().st_size} bytes where its head says {start + size}; it is cut off")
    array: Array = np.lib.format.open_memmap(path, mode="r") if size else np.load(path, allow_pickle=False)
    return array


def header(file: IO[bytes], name: str) -> tuple[int, int]:
    """Bytes of the head of an array, and of what follows."""
    try:
        version: Any = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if any(type(side) is not int or not 0 <= side < LONGEST for side in shape):
            raise ValueError(f"shape {shape}")
    except Exception as error:  # whatever a damaged head makes its parser stumble over
        raise UserError(f"{name}: not an array of numpy ({one_line(error)}); write it with numpy.save") from None
    if dtype.hasobject:
        raise UserError(
            f"{name}: an array of Python objects, which is not read; save it with a dtype of numbers or text"
        )
    return file.tell(), math.prod(shape) * dtype.itemsize
