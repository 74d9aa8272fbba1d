"""The files of a store, each with its next examples as one array. Imports only numpy."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np

from sprout.runtime.errors import UserError
from sprout.runtime.files import name_beside
from sprout.runtime.objects import Objects

SHARD_BYTES = 4 << 30
"""A file holds at most so many bytes of examples, but at least one example."""
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Shard:
    """A file of a store."""

    rows: int
    """How many examples it holds."""
    sha256: str
    """Of the file, in hexadecimal."""


@dataclass(frozen=True)
class Destination:
    """Where the files of a store go: into its own folder, or to `cluster.store`, named by their SHA-256."""

    folder: Path
    objects: Objects | None = None

    def path(self, number: int) -> Path:
        """Return the path that a file, counted from 0, is written to."""
        return shard_path(self.folder, number) if self.objects is None else self.objects.new()

    def take(self, path: Path, shard: Shard) -> None:
        """Take a file that has been written."""
        if self.objects is not None:
            self.objects.put(path, shard.sha256)

    def check_written(self, number: int, shard: Shard) -> None:
        """Check that this machine has a file that a task has written, perhaps on another machine.

        Raises:
            UserError: it has not.
        """
        path = shard_path(self.folder, number) if self.objects is None else self.objects.path(shard.sha256)
        if path is not None and not path.is_file():
            raise UserError(
                f"{path}: not there, though it was written; its folder has to be on a file system that all machines of "
                "the cluster share (docs/clusters.md)"
            )


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a store's file, counted from 0."""
    return folder / f"examples-{number:03}.npy"


def rows_per_shard(shape: Sequence[int], dtype: str, shard_bytes: int) -> int:
    """Return how many examples a file holds: at least 1.

    Args:
        shape: (H, W, C) or (F,) of one example.
        dtype: uint8 or float32.
        shard_bytes: see `SHARD_BYTES`.
    """
    return max(1, shard_bytes // max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize))


def checksum_of(shards: Sequence[str]) -> str:
    """Return the checksum of a store from the SHA-256 of each of its files, in order, all in hexadecimal."""
    return hashlib.sha256("".join(shards).encode()).hexdigest()


class ShardWriter:
    """Writes one file of a store batch by batch. It gets its name at its end: a half-written file has another one.

    Several processes may write the same file at once; each writes all of it.
    """

    def __init__(self, path: Path, examples: int, shape: Sequence[int], dtype: str) -> None:
        """Start a file.

        Args:
            path: of the file, in a folder that is there.
            examples: how many will come.
            shape: (H, W, C) or (F,) of one example.
            dtype: uint8 or float32.
        """
        self.path, self.beside = path, name_beside(path)
        self.rows = self.left = examples
        self.dtype, self.digest = np.dtype(dtype), hashlib.sha256()
        self.file = self.beside.open("wb")
        head = BytesIO()
        described = {"descr": self.dtype.str, "fortran_order": False, "shape": (examples, *shape)}
        np.lib.format.write_array_header_1_0(head, described)
        self.write(head.getbuffer())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.beside.unlink(missing_ok=True)  # where it was not ended

    def append(self, batch: Array) -> None:
        """Add examples: (n, *shape)."""
        batch = np.ascontiguousarray(batch, self.dtype)
        self.write(batch.data if batch.size else b"")
        self.left -= len(batch)

    def write(self, data: memoryview | bytes) -> None:
        """Add bytes to the file."""
        self.digest.update(data)
        self.file.write(data)

    def end(self) -> Shard:
        """Give the file its name, and return what it is."""
        assert not self.left, "fewer examples than were said to come"
        self.file.close()
        self.beside.replace(self.path)
        return Shard(self.rows, self.digest.hexdigest())
