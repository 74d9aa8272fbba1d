"""Writes a store: its files of examples, the label table, and `store.json`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from sprout.data.shards import SHARD_BYTES, Array, Shard, ShardWriter, rows_per_shard, shard_path
from sprout.data.store import write_labels
from sprout.data.store_manifest import StoreManifest


class StoreWriter:
    """Writes a split example by example, in bounded memory: `append` what comes, then `close` with the labels."""

    def __init__(
        self, folder: Path, examples: int, shape: Sequence[int], dtype: str, shard_bytes: int = SHARD_BYTES
    ) -> None:
        """Start a store.

        Args:
            folder: where to; it is made.
            examples: how many will come.
            shape: (H, W, C) or (F,) of one example.
            dtype: uint8 or float32.
            shard_bytes: a file holds at most so many bytes of examples (at least one example).
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.examples, self.shape, self.dtype = folder, examples, tuple(shape), dtype
        self.step = rows_per_shard(shape, dtype, shard_bytes)
        self.written = 0
        self.shards: list[Shard] = []
        self.shard = self.next_shard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shard.file.close()

    def append(self, batch: Array) -> None:
        """Add examples: (n, *shape)."""
        assert self.written + len(batch) <= self.examples, "more examples than were said to come"
        while len(batch):
            if not self.shard.left:
                self.shards.append(self.shard.end())
                self.shard = self.next_shard()
            fits, batch = batch[: self.shard.left], batch[self.shard.left :]
            self.shard.append(fits)
            self.written += len(fits)

    def next_shard(self) -> ShardWriter:
        """Start the next file."""
        path = shard_path(self.folder, len(self.shards))
        return ShardWriter(path, min(self.step, self.examples - self.written), self.shape, self.dtype)

    def close(self, labels: pa.Table) -> None:
        """Write the label table and `store.json` with a checksum.

        Args:
            labels: one row per example, of the schema `LABELS`.
        """
        self.shards.append(self.shard.end())
        assert self.written == self.examples, "fewer examples than were said to come"
        describe_store(self.folder, self.shape, self.dtype, self.shards, labels)


def describe_store(folder: Path, shape: Sequence[int], dtype: str, shards: Sequence[Shard], labels: pa.Table) -> None:
    """Write what a store has besides its examples: the label table, and `store.json` with a checksum.

    Args:
        folder: of the store.
        shape: of one example.
        dtype: uint8 or float32.
        shards: the files of examples, in order.
        labels: one row per example, of the schema `LABELS`.
    """
    write_labels(folder, labels)
    StoreManifest(tuple(shape), np.dtype(dtype), tuple(shards)).write(folder)


def write_store(folder: Path, examples: Array, labels: pa.Table, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a split whose examples are at hand: (N, H, W, C) uint8 or (N, F) float32."""
    with StoreWriter(folder, len(examples), examples.shape[1:], examples.dtype.name, shard_bytes) as writer:
        writer.append(examples)
        writer.close(labels)
