"""Decoded images on their way to the stores: files that each one task writes and several read. Imports only numpy.

A file has the pixels of its images, and behind them what is known of these (`reuse.PartRecord`).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sprout.data.prepare.pixels import Array
from sprout.runtime.disk import naming
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import name_beside

DIGEST_BYTES = 16
BATCH_BYTES = 8 << 20
"""Examples in memory at once, as they go from a part to a store."""


@dataclass(frozen=True)
class Parts:
    """N images, uint8, in files of consecutive rows."""

    folder: Path
    """An absolute path; all machines that run tasks have it."""
    starts: Array
    """(P + 1,) int64: the first row of each file, and where the last one ends."""
    shape: tuple[int, int, int]
    """(H, W, C)."""
    first: int = 0
    """The number of the first file."""

    def path(self, number: int) -> Path:
        """Return the path of a part."""
        return self.folder / f"part-{number:06}"

    def shape_of(self, number: int) -> tuple[int, int, int, int]:
        """Return (n, H, W, C) of a part."""
        return (self.start_of(number + 1) - self.start_of(number), *self.shape)

    def start_of(self, number: int) -> int:
        """Return the first row of a part."""
        return int(self.starts[number - self.first])

    def numbers_of(self, rows: Array) -> Array:
        """Return the part of each row: (n,) int64 → (n,) int64."""
        return self.first + np.searchsorted(self.starts, rows, side="right") - 1

    def between(self, first: int, last: int) -> "Parts":
        """Return the parts from one number to another: a task takes along no others."""
        starts = self.starts[first - self.first : last - self.first + 2]
        return Parts(self.folder, starts, self.shape, first)

    def holding(self, rows: Array) -> "Parts":
        """Return the parts from the first to the last that these rows, (n,) int64, are in."""
        numbers = self.numbers_of(rows)
        return self.between(int(numbers.min()), int(numbers.max())) if len(numbers) else self

    def bytes_of(self, number: int) -> int:
        """Return the bytes of the pixels of a part."""
        return int(np.prod(self.shape_of(number)))

    @contextmanager
    def new(self, number: int) -> Iterator[BinaryIO]:
        """Yield a file that takes a part, and becomes the part when the block has ended.

        A process that is killed leaves no half-written part, and two may write the same one.
        """
        path = self.path(number)
        beside = name_beside(path)
        with naming(path):
            with beside.open("wb") as file:
                yield file
            beside.replace(path)

    def check(self, number: int, size: int) -> None:
        """Check that this machine has a part, and all of its bytes.

        Raises:
            UserError: it has not.
        """
        path = self.path(number)
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            raise damaged(path, "not there" if found is None else f"{found} bytes, not {size}")

    def take(self, rows: Array) -> Array:
        """Return the images of these rows, in their order: (n,) int64 → (n, H, W, C).

        Raises:
            UserError: a part is not there, or not all of it.
        """
        taken = np.empty((len(rows), *self.shape), np.uint8)
        numbers = self.numbers_of(rows)
        for number in np.unique(numbers).tolist():
            inside = numbers == number
            # Mapped again each time, so that pages touched by earlier calls do not stay in memory.
            try:
                part = np.memmap(self.path(number), np.uint8, "r", shape=self.shape_of(number))
            except (OSError, ValueError) as error:
                raise damaged(self.path(number), one_line(error)) from None
            taken[inside] = part[rows[inside] - self.start_of(number)]
        return taken

    def checked(self, rows: Array, digests: Array) -> Array:
        """The same, compared with what was decoded.

        Args:
            rows: (n,) int64.
            digests: (n, 16) uint8.

        Raises:
            UserError: a part is damaged.
        """
        pixels = self.take(rows)
        found = np.frombuffer(b"".join(map(digest, pixels)), np.uint8).reshape(-1, DIGEST_BYTES)
        if len(wrong := np.flatnonzero((found != digests).any(axis=1))):
            row = int(rows[wrong[0]])
            raise damaged(self.path(int(self.numbers_of(rows)[wrong[0]])), f"image {row} is not what was decoded")
        return pixels


def even_starts(count: int, step: int) -> Array:
    """Return `Parts.starts` of so many rows, with `step` of them in each part but the last."""
    return np.append(np.arange(0, count, max(1, step)), count)


def damaged(path: Path, what: str) -> UserError:
    """What is said of a part that is not as it was written."""
    return UserError(
        f"{path}: damaged ({what}); run `dvc repro`; in a cluster the folder has to be on a file system that all "
        "machines share (cluster.store, docs/clusters.md)"
    )


def digest(pixels: Array) -> bytes:
    """Return the BLAKE2b digest of the pixels, 16 bytes."""
    return hashlib.blake2b(pixels.data, digest_size=DIGEST_BYTES).digest()


def batches(rows: Array, bytes_each: int) -> Iterator[slice]:
    """Yield slices of rows whose examples have some megabytes."""
    step = max(1, BATCH_BYTES // max(1, bytes_each))
    yield from (slice(start, start + step) for start in range(0, len(rows), step))
