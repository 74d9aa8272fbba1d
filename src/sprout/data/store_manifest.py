"""`store.json`: what a store is, and the files that hold its examples, which are opened when they are used."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.shards import Array, Shard, checksum_of, shard_path
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import read_json, write_json
from sprout.runtime.objects import Objects, objects_at

MANIFEST = "store.json"
DTYPES = ("uint8", "float32")
"""Of images, and of rows of a table."""
TRIES = 10
"""How often a file is searched for that another process may remove from a cache."""


@dataclass(frozen=True)
class StoreManifest:
    """What the file says."""

    shape: tuple[int, ...]
    """Of one example: (H, W, C) or (F,)."""
    dtype: np.dtype[Any]
    """uint8 or float32."""
    shards: tuple[Shard, ...]
    """The files of examples, in order."""
    objects: Objects | None = None
    """Where they are, by their SHA-256; None for the store's own folder."""

    @property
    def examples(self) -> int:
        """How many examples all files hold."""
        return int(self.starts[-1])

    @cached_property
    def starts(self) -> Array:
        """The first row of each file, and the end: (files + 1,) int64."""
        return np.cumsum([0, *(shard.rows for shard in self.shards)])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the SHA-256 of each file."""
        return checksum_of([shard.sha256 for shard in self.shards])

    def write(self, folder: Path) -> None:
        """Write it into the folder of a store."""
        described = {"examples": self.examples, "shape": self.shape, "dtype": self.dtype.name, "sha256": self.checksum}
        shards = [{"rows": shard.rows, "sha256": shard.sha256} for shard in self.shards]
        write_json(folder / MANIFEST, {**described, "store": self.objects and self.objects.address, "shards": shards})


def dtype_named(name: str) -> np.dtype[Any]:
    """The type of examples. NumPy knows more of them, and still more where other packages have added some.

    Raises:
        ValueError: it is none.
    """
    if name not in DTYPES:
        raise ValueError(f"dtype {name}: neither {' nor '.join(DTYPES)}")
    return np.dtype(name)


def read_manifest(path: Path) -> StoreManifest:
    """Read a `store.json`.

    Raises:
        UserError: it is damaged.
    """
    try:
        described = read_json(path)
        shards = tuple(Shard(int(each["rows"]), str(each["sha256"])) for each in described["shards"])
        found = StoreManifest(
            tuple(map(int, described["shape"])),
            dtype_named(described["dtype"]),
            shards,
            described["store"] and objects_at(described["store"]),
        )
        same = (found.examples, found.checksum) == (described["examples"], described["sha256"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise damaged(path, one_line(error)) from None
    if not same or not shards:
        raise damaged(path, "its number of examples or its checksum is not that of the files it lists")
    return found


def damaged(path: Path, what: str) -> UserError:
    """What is said of a file of a store that is not as it was written."""
    return UserError(f"{path}: damaged ({what}); run `dvc repro`")


def written_when(folder: Path) -> tuple[int, int]:
    """Return what changes when a store is written again."""
    found = (folder / MANIFEST).stat()
    return found.st_ino, found.st_mtime_ns


def map_shard(folder: Path, written: tuple[int, int], manifest: StoreManifest, number: int) -> Array:
    """Map a file of a store.

    Raises:
        UserError: it is damaged, not what the manifest says, or of a store that was written since.
    """
    shard = manifest.shards[number]
    shape = (shard.rows, *manifest.shape)
    if manifest.objects is not None:
        return load(partial(manifest.objects.file, shard.sha256), manifest.dtype, shape)
    if written_when(folder) != written:
        raise UserError(f"{folder}: was written again while it was read; run the command again")
    return load(partial(shard_path, folder, number), manifest.dtype, shape)


def load(find: Callable[[], Path], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Map a file as a plain array, as indexing numpy's class of maps takes longer than copying a batch.

    Args:
        find: returns the file's path; called again where another process has meanwhile removed it from a cache.
        dtype: that it should have.
        shape: the same.

    Raises:
        UserError: it is damaged, or has others.
    """
    for _ in range(TRIES):
        path = find()
        try:
            mapped: Array = np.load(path, mmap_mode="r").view(np.ndarray)
        except FileNotFoundError:
            continue
        except (ValueError, EOFError, OSError) as error:
            raise damaged(path, one_line(error)) from None
        if (mapped.dtype, mapped.shape) != (dtype, shape):
            what = f"{mapped.dtype} of shape {mapped.shape}; {MANIFEST} has {dtype} of {shape}"
            raise damaged(path, what)
        return mapped
    raise damaged(path, "not there")


def verify(paths: Sequence[Path], shards: Sequence[Shard]) -> None:
    """Compare files of a store with their checksums.

    Raises:
        UserError: they differ, or a file is not there.
    """
    for path in paths:
        if not path.is_file():
            raise damaged(path, "not there")
    with ThreadPoolExecutor() as threads:
        for path, shard, found in zip(paths, shards, threads.map(sha256, paths), strict=True):
            if found != shard.sha256:
                raise damaged(path, f"its SHA-256 is {found}, {MANIFEST} has {shard.sha256}: one of them was changed")
