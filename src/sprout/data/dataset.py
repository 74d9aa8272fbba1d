"""Examples from one or more stores, with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.store import Array, Store, open_store

TARGETS = {"label": np.int64, "value": np.float64}
"""The columns of a label table that can be learned, each with its type."""


class Examples:
    """Examples from one or more stores, with their targets, if there is something to learn."""

    def __init__(self, tables: Sequence[tuple[Store, pa.Table]], target: str | None = None) -> None:
        """Join stores.

        Args:
            tables: pairs of a store and a label table with the rows to use.
            target: the column to learn, label or value; examples without it are left out. None takes all.
        """
        known = [(store, rows_with_target(table, target)) for store, table in tables]
        self.tables = [(store, table) for store, table in known if table.num_rows]
        self.stores = [store for store, _ in self.tables]
        self.arrays = [single_shard(store) for store in self.stores]
        counts = [table.num_rows for _, table in self.tables]
        self.store_of = np.repeat(np.arange(len(counts), dtype=np.int16), counts)
        self.rows = joined([table["row"].to_numpy() for _, table in self.tables], np.int64)
        self.targets = (
            np.zeros(len(self.rows), np.int64)
            if target is None
            else joined([table[target].to_numpy() for _, table in self.tables], TARGETS[target])
        )

    @classmethod
    def of(cls, *stores: Store, target: str | None = None) -> "Examples":
        """The examples of these stores, with their own label tables."""
        return cls([(store, store.columns("row", *TARGETS)) for store in stores], target)

    @classmethod
    def open(cls, *folders: str) -> "Examples":
        """The examples of the stores in these folders."""
        return cls.of(*(open_store(Path(folder)) for folder in folders))

    def with_rows(self, folder: str, labels: pa.Table) -> "Examples":
        """These examples, and the rows of the store in a folder that a label table lists."""
        return Examples([*self.tables, (open_store(Path(folder)), labels)])

    def with_target(self, target: str | None) -> "Examples":
        """The examples whose column `target` is known, with it as the target; None takes all, without a target."""
        return Examples(self.tables, target)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) or (F,) of one example."""
        return self.stores[0].shape

    def take(self, ids: Array) -> Array:
        """Copy the examples of these indices: (n,) int64 → (n, H, W, C) or (n, F)."""
        if len(self.arrays) == 1:
            return take_rows(self.arrays[0], self.stores[0], self.rows[ids])
        inputs = np.empty((len(ids), *self.shape), self.stores[0].shards[0].dtype)
        store_of, rows = self.store_of[ids], self.rows[ids]
        for number, (array, store) in enumerate(zip(self.arrays, self.stores, strict=True)):
            inside = store_of == number
            inputs[inside] = take_rows(array, store, rows[inside])
        return inputs

    def column(self, name: str) -> Array:
        """A column of the label tables, such as confidence, source or weight, for all examples: (N,).

        Strings come as objects, and an integer column with nulls as floats with NaN. It is read on demand: most
        methods need none.
        """
        columns = [column_of(store, table, name) for store, table in self.tables]
        return np.concatenate(columns) if columns else np.zeros(0)


@dataclass(frozen=True)
class TrainingData:
    """The examples of one training."""

    train: Examples
    """Training examples with a target; all of them where the task needs no labels."""
    val: Examples
    """The same of the validation split, by which the best epoch is chosen."""
    pool: Examples | None = None
    """The unlabelled pool, where a method asks for it."""


def rows_with_target(table: pa.Table, target: str | None) -> pa.Table:
    """The rows that have a target; nothing is copied where all have one, as is usual."""
    return table.filter(table[target].is_valid()) if target and table[target].null_count else table


def single_shard(store: Store) -> Array | None:
    """The only shard as a plain array, else None: indexing numpy's memmap class takes longer than copying a batch."""
    return store.shards[0].view(np.ndarray) if len(store.shards) == 1 else None


def take_rows(array: Array | None, store: Store, rows: Array) -> Array:
    """Copy rows of a store."""
    return store.take(rows) if array is None else array.take(rows, axis=0)


def column_of(store: Store, table: pa.Table, name: str) -> Array:
    """A column for the rows of one table, or of the label table of the store where this table lacks it."""
    of_table = name in table.column_names
    column = table[name] if of_table else store.columns(name)[name].take(table["row"])
    values: Any = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    found: Array = values.to_numpy(zero_copy_only=False)
    return found


def joined(columns: list[Array], dtype: type) -> Array:
    """Concatenate arrays; an empty list gives an empty array."""
    return np.concatenate([np.zeros(0, dtype), *columns], dtype=dtype)
