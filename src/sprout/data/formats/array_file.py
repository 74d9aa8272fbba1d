"""Arrays in files by name: `FILE.npy`, `FILE.npz:KEY`, `FILE.mat:KEY`, or a file in MNIST's format idx."""

import re
from pathlib import Path

from sprout.data.formats import idx, mat, npy
from sprout.data.formats.file_tree import locate
from sprout.data.listing import Array
from sprout.runtime.errors import UserError

NAME = re.compile(r"(.*\.(npz|mat))(?::(.*))?", re.DOTALL)
"""A file with several arrays, its kind, and the key of one."""
SEVERAL = (".npz", ".mat")
"""Endings of files with several arrays."""
IDX_NAME = re.compile(r"idx[1-9][-_.]?ubyte(\.gz)?$|\.idx(\.gz)?$")
"""How files in the format idx are named."""


def is_array_file(name: str) -> bool:
    """Whether a file holds arrays, judging by its name."""
    return name.endswith((".npy", *SEVERAL)) or IDX_NAME.search(name) is not None


def open_array(root: Path, name: str, scratch: Path) -> Array:
    """Map an array into memory.

    Args:
        root: the folder of the file.
        name: the file, or FILE:KEY for one of several arrays; the key is optional if there is only one.
        scratch: a folder for the array of a compressed file.

    Raises:
        UserError: there is no such array, it is damaged, or it contains Python objects.
    """
    path, kind, key = located(root, name)
    if kind == "npz":
        return npy.open_npz(path, key, name, scratch)
    if kind == "mat":
        return mat.open_mat(path, key, name)
    return idx.open_idx(path, name, scratch) if idx.is_idx(path) else npy.map_npy(path, name)


def array_shape(root: Path, name: str) -> tuple[int, ...]:
    """Return the shape of an array without reading it; arguments and errors as for `open_array`."""
    path, kind, key = located(root, name)
    if kind == "npz":
        return npy.npz_shape(path, key, name)
    if kind == "mat":
        return mat.mat_shape(path, key, name)
    if idx.is_idx(path):
        return idx.idx_shape(path, name)
    with path.open("rb") as file:
        return npy.header(file, name).shape


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in a file that may have several, without reading them.

    Raises:
        UserError: it is not such a file, or is empty.
    """
    names = npy.npz_names(path) if path.suffix == ".npz" else mat.mat_names(path)
    if not names:
        raise UserError(f"{path}: contains no arrays of numbers; write them with numpy.savez")
    return names


def located(root: Path, name: str) -> tuple[Path, str | None, str]:
    """Return an array's file, npz, mat or None for a file of one array, and its key.

    Raises:
        UserError: there is no such file.
    """
    several = NAME.fullmatch(name)
    if several is None:
        return locate(root, name), None, ""
    return locate(root, several[1]), several[2], several[3] or ""
