"""Room for arrays that a form makes: in memory where they are small, else in a file."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.sources.listing import Array

IN_MEMORY = 64 << 20
"""Bytes up to which an array stays in memory."""
STEP = 16 << 20
"""Bytes that are worked on at a time."""


def room(path: Path, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of zeros; a large one lies in the file `path`."""
    if int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)


def steps(array: Array) -> list[slice]:
    """The rows of an array in pieces of some megabytes."""
    rows = max(1, STEP // max(1, array[:1].nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]
