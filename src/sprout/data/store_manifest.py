"""`store.json`: what a store is, and the files that hold its examples, none of which is opened to know that."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.shards import Array, Shard, checksum_of
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import read_json, write_json
from sprout.runtime.objects import Objects, objects_at

MANIFEST = "store.json"


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
            np.dtype(described["dtype"]),
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
