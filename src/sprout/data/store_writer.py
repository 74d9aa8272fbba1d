"""Writes a store: its files of examples, the label table, and `store.json`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from sprout.data.shards import SHARD_BYTES, Array, Destination, Shard, ShardWriter, rows_per_shard
from sprout.data.store import write_labels
from sprout.data.store_manifest import StoreManifest
from sprout.runtime.objects import Objects


class StoreWriter:
    """Writes a split example by example, in bounded memory: `append` what comes, then `close` with the labels."""

    def __init__(
        self,
        folder: Path,
        examples: int,
        shape: Sequence[int],
        dtype: str,
        shard_bytes: int = SHARD_BYTES,
        objects: Objects | None = None,
    ) -> None:
        """Start a store.

        Args:
            folder: where to; it is made.
            examples: how many will come.
            shape: (H, W, C) or (F,) of one example.
            dtype: uint8 or float32.
            shard_bytes: a file holds at most so many bytes of examples (at least one example).
            objects: where the files go; None for the folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.examples, self.shape, self.dtype = examples, tuple(shape), dtype
        self.target = Destination(folder, objects)
        self.step = rows_per_shard(shape, dtype, shard_bytes)
        self.written = 0
        self.shards: list[Shard] = []
        self.shard = self.next_shard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shard.__exit__()

    def append(self, batch: Array) -> None:
        """Add examples: (n, *shape)."""
        assert self.written + len(batch) <= self.examples, "more examples than were said to come"
        while len(batch):
            if not self.shard.left:
                self.end_shard()
                self.shard = self.next_shard()
            fits, batch = batch[: self.shard.left], batch[self.shard.left :]
            self.shard.append(fits)
            self.written += len(fits)

    def next_shard(self) -> ShardWriter:
        """Start the next file."""
        path = self.target.path(len(self.shards))
        return ShardWriter(path, min(self.step, self.examples - self.written), self.shape, self.dtype)

    def end_shard(self) -> None:
        """End the file that is being written."""
        self.shards.append(self.shard.end())
        self.target.take(self.shard.path, self.shards[-1])

    def close(self, labels: pa.Table) -> None:
        """Write the label table and `store.json` with a checksum.

        Args:
            labels: one row per example, of the schema `LABELS`.
        """
        self.end_shard()
        assert self.written == self.examples, "fewer examples than were said to come"
        describe_store(self.target, self.shape, self.dtype, self.shards, labels)


def describe_store(
    target: Destination, shape: Sequence[int], dtype: str, shards: Sequence[Shard], labels: pa.Table
) -> None:
    """Write what a store has besides its examples: the label table, and `store.json` with a checksum.

    Args:
        target: the folder of the store, and where its files are.
        shape: of one example.
        dtype: uint8 or float32.
        shards: the files of examples, in order.
        labels: one row per example, of the schema `LABELS`.
    """
    write_labels(target.folder, labels)
    StoreManifest(tuple(shape), np.dtype(dtype), tuple(shards), target.objects).write(target.folder)


def write_store(folder: Path, examples: Array, labels: pa.Table, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a split whose examples are at hand: (N, H, W, C) uint8 or (N, F) float32."""
    with StoreWriter(folder, len(examples), examples.shape[1:], examples.dtype.name, shard_bytes) as writer:
        writer.append(examples)
        writer.close(labels)
