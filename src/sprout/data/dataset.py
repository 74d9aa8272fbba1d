"""Examples out of several stores, and their batches by index."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from sprout.data.store import Array, Store, open_store

TARGETS = {"label": np.int64, "value": np.float64}
"""The columns of a label table that can be learned, each with its type."""


class Batch(NamedTuple):
    """What one process takes of a step, or of a part of it, on its way to the network."""

    inputs: Tensor
    """(N, H, W, C) uint8 pixels, or (N, F) float32 rows of a table."""
    targets: Tensor
    """(N,) int64 class indices or float32 numbers."""
    ids: Tensor
    """(N,) int64, each example's place among all; with the epoch its random draws follow from it."""
    epoch: int
    counted: int
    """The first so many count; the others repeat some, so that no process stands without an example."""
    whole: int
    """How many count in the whole step, over its parts and all processes."""


class Examples:
    """Examples out of one or more stores, with what is to be learned of each, if anything."""

    def __init__(self, parts: Sequence[tuple[Store, pa.Table]], target: str | None = None) -> None:
        """Join stores.

        Args:
            parts: each a store and a label table that names the rows to use.
            target: the column to learn, label or value; examples that lack it are left out. None takes all.
        """
        known = [(store, knowing(table, target)) for store, table in parts]
        self.parts = parts = [(store, table) for store, table in known if table.num_rows]
        self.stores = [store for store, _ in parts]
        self.arrays = [plain(store) for store in self.stores]
        self.part = np.repeat(np.arange(len(parts), dtype=np.int16), [table.num_rows for _, table in parts])
        self.rows = joined([table["row"].to_numpy() for _, table in parts], np.int64)
        self.targets = (
            np.zeros(len(self.rows), np.int64)
            if target is None
            else joined([table[target].to_numpy() for _, table in parts], TARGETS[target])
        )

    @classmethod
    def of(cls, *stores: Store, target: str | None = None) -> "Examples":
        """The examples of these stores, by their own tables."""
        return cls([(store, store.columns("row", *TARGETS)) for store in stores], target)

    @classmethod
    def open(cls, *folders: str) -> "Examples":
        """The examples of the stores in these folders."""
        return cls.of(*(open_store(Path(folder)) for folder in folders))

    def plus(self, folder: str, labels: pa.Table) -> "Examples":
        """These and the rows that a label table names of the store in this folder."""
        return Examples([*self.parts, (open_store(Path(folder)), labels)])

    def knowing(self, target: str | None) -> "Examples":
        """Those of which this column is known, with it to learn; None takes all, with nothing to learn."""
        return Examples(self.parts, target)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) or (F,) of one example."""
        return self.stores[0].shape

    def take(self, ids: Array) -> Array:
        """The examples at these places: (n,) int64 → (n, H, W, C) or (n, F)."""
        if len(self.arrays) == 1:
            return take(self.arrays[0], self.stores[0], self.rows[ids])
        inputs = np.empty((len(ids), *self.shape), self.stores[0].shards[0].dtype)
        part, rows = self.part[ids], self.rows[ids]
        for number, (array, store) in enumerate(zip(self.arrays, self.stores, strict=True)):
            inside = part == number
            inputs[inside] = take(array, store, rows[inside])
        return inputs


def knowing(table: pa.Table, target: str | None) -> pa.Table:
    """The rows that have a target; as a rule these are all, and nothing is copied."""
    return table.filter(table[target].is_valid()) if target and table[target].null_count else table


def plain(store: Store) -> Array | None:
    """The store's only shard without numpy's class for mapped files, which costs more to index than a batch to copy."""
    return store.shards[0].view(np.ndarray) if len(store.shards) == 1 else None


def take(array: Array | None, store: Store, rows: Array) -> Array:
    """Copy rows of a store."""
    return store.take(rows) if array is None else array.take(rows, axis=0)


def joined(columns: list[Array], dtype: type) -> Array:
    """One array out of several; none give an empty one."""
    return np.concatenate([np.zeros(0, dtype), *columns], dtype=dtype)


class Batches:
    """The batches of one epoch after another. With several processes each takes its part of every batch."""

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        targets: Array,
        seed: int | None = None,
        parts: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Cut examples into batches.

        Args:
            examples: what to cut.
            batch_size: examples in a step, over all processes.
            targets: (N,) what the network shall give, in its own scale.
            seed: of the order, which is a function of (seed, epoch); None keeps the examples' own.
            parts: in how many batches a step comes.
            rank: this process.
            world: how many processes there are.
        """
        self.examples, self.targets = examples, torch.from_numpy(np.ascontiguousarray(targets))
        self.batch_size, self.seed, self.parts = batch_size, seed, parts
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.examples) // self.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """The steps of an epoch from this one on, each as its parts."""
        count = len(self.examples)
        order = np.arange(count) if self.seed is None else np.random.default_rng([self.seed, epoch]).permutation(count)
        for first in range(start * self.batch_size, len(order), self.batch_size):
            step = order[first : first + self.batch_size]
            yield [self.batch(step, epoch, part) for part in range(self.parts)]

    def batch(self, step: Array, epoch: int, part: int) -> Batch:
        """This process's part of a step's examples: (n,) int64."""
        shares = self.world * self.parts
        mine = step[part * self.world + self.rank :: shares] if shares > 1 else step
        counted = len(mine)
        # Without any example there would be no gradient to share: a rest too small for all is filled up.
        ids = torch.from_numpy(mine if counted else step[:1])
        inputs = torch.from_numpy(self.examples.take(ids.numpy()))
        return Batch(inputs, self.targets[ids], ids, epoch, counted, len(step))

    def smallest(self) -> int:
        """Examples in the smallest batch that a process ever gets."""
        count = len(self.examples)
        last = count % self.batch_size or min(count, self.batch_size)
        return max(1, last // (self.world * self.parts))
