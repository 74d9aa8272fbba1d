"""Labelled examples out of several stores, and their batches by index."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from sprout.core.store import Array, Store


class Batch(NamedTuple):
    """Some examples on their way to the network."""

    inputs: Tensor
    """(N, H, W, C) uint8 pixels, or (N, F) float32 rows of a table."""
    labels: Tensor
    """(N,) int64."""
    ids: Tensor
    """(N,) int64, each example's place among all; its random draws follow from it."""


class Examples:
    """Examples with a label, out of one or more stores; those without a label are left out."""

    def __init__(self, parts: Sequence[tuple[Store, pa.Table]]) -> None:
        """Join stores.

        Args:
            parts: each a store and a label table that names the rows to use, and their labels.
        """
        known = [(store, labelled(table)) for store, table in parts]
        self.parts = parts = [(store, table) for store, table in known if table.num_rows]
        self.stores = [store for store, _ in parts]
        self.part = np.repeat(np.arange(len(parts)), [table.num_rows for _, table in parts])
        self.rows = joined([table["row"].to_numpy() for _, table in parts])
        self.labels = joined([table["label"].to_numpy() for _, table in parts])

    @classmethod
    def of(cls, *stores: Store) -> "Examples":
        """All examples of these stores, by their own labels."""
        return cls([(store, store.labels) for store in stores])

    def plus(self, store: Store, labels: pa.Table) -> "Examples":
        """These and the rows of a store that a label table names."""
        return Examples([*self.parts, (store, labels)])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) or (F,) of one example."""
        return self.stores[0].shape

    def take(self, ids: Array) -> Batch:
        """The examples at these places: (n,) int64."""
        if len(self.stores) == 1:
            inputs = self.stores[0].take(self.rows[ids])
        else:
            inputs = np.empty((len(ids), *self.shape), self.stores[0].shards[0].dtype)
            for number, store in enumerate(self.stores):
                inside = self.part[ids] == number
                inputs[inside] = store.take(self.rows[ids[inside]])
        return Batch(torch.from_numpy(inputs), torch.from_numpy(self.labels[ids]), torch.from_numpy(ids))


def labelled(table: pa.Table) -> pa.Table:
    """The rows whose label is known; as a rule these are all, and nothing is copied."""
    return table.filter(table["label"].is_valid()) if table["label"].null_count else table


def joined(columns: list[Array]) -> Array:
    """One int64 array out of several; none give an empty one."""
    return np.concatenate([np.zeros(0, np.int64), *columns]).astype(np.int64)


class Batches:
    """Batches of one epoch after another; what Lightning takes in the place of a loader.

    The order is a function of (seed, epoch). With several processes each takes its part of every batch.
    """

    def __init__(
        self, examples: Examples, batch_size: int, *, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        """Cut examples into batches.

        Args:
            examples: what to cut.
            batch_size: examples in a batch, over all processes.
            seed: of the order; None keeps the examples' own.
            rank: this process.
            world: how many processes there are.
        """
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.rank, self.world = rank, world
        self.epoch = 0

    # Lightning looks for these two on a loader, and calls `set_epoch` on its sampler.
    batch_sampler = None

    @property
    def sampler(self) -> "Batches":
        """What chooses the order."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.examples))
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            # An empty part would have no mean loss: a rest too small for all processes is repeated.
            batch = np.resize(batch, max(len(batch), self.world))
            yield self.examples.take(batch[self.rank :: self.world])
