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
        known = [(store, rows_with_target(with_column(store, table, target), target)) for store, table in tables]
        self.tables = [(store, table) for store, table in known if table.num_rows]
        self.stores = [store for store, _ in self.tables]
        self.arrays = [store.single for store in self.stores]
        counts = [table.num_rows for _, table in self.tables]
        self.store_of = np.repeat(np.arange(len(counts), dtype=np.int16), counts)
        self.rows = joined([table["row"].to_numpy() for _, table in self.tables], np.int64)
        self.targets = (
            np.zeros(len(self.rows), np.int64)
            if target is None
            else joined([table[target].to_numpy() for _, table in self.tables], TARGETS[target])
        )
        if len(self.tables) == 1:
            # Of millions of rows, the same numbers twice in memory would count.
            store, table = self.tables[0]
            self.tables = [(store, sharing(sharing(table, "row", self.rows), target, self.targets))]
            del known, table
            pa.default_memory_pool().release_unused()

    @classmethod
    def of(cls, *stores: Store, target: str | None = None) -> "Examples":
        """The examples of these stores, with their own label tables."""
        columns = ("row",) if target is None else ("row", target)
        return cls([(store, store.columns(*columns)) for store in stores], target)

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

    def without_fold(self, fold: int) -> "Examples":
        """The examples that are not in this fold of cross-validation, without a target."""
        return Examples([(store, table.filter(pa.array(outside(store, table, fold)))) for store, table in self.tables])

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
        inputs = np.empty((len(ids), *self.shape), self.stores[0].dtype)
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
class Measured:
    """The examples by which a trained model is calibrated and measured."""

    examples: Examples
    """With a target, of one store."""
    examined: Array | None = None
    """Out-of-fold results of `Task.examine` for the whole store, each from a model that has not learned from the
    example; None for those of the trained model itself."""
    noun: str = "val examples"
    """What the examples are called."""

    @property
    def store(self) -> Store:
        """The store of the examples."""
        return self.examples.stores[0]


@dataclass(frozen=True)
class TrainingData:
    """The examples of one training."""

    train: Examples
    """Training examples with a target; all of them where the task needs no labels."""
    val: Examples | None
    """The same of the validation split, by which the best epoch is chosen; None keeps the last epoch."""
    pool: Examples | None = None
    """The unlabelled pool, where a method asks for it."""
    held_out: Measured | None = None
    """What the trained model is measured by, where there is no validation split."""

    @property
    def measured(self) -> Measured:
        """What the trained model is measured by: the validation split, if there is one.

        Raises:
            ValueError: there is neither.
        """
        if self.val is not None:
            return Measured(self.val)
        if self.held_out is None:
            raise ValueError("TrainingData: has neither val nor held_out to measure a model by")
        return self.held_out


def with_column(store: Store, table: pa.Table, name: str | None) -> pa.Table:
    """The table with this column of the store's label table, which it may have already; as it is for None."""
    if name is None or name in table.column_names:
        return table
    return table.append_column(name, store.columns(name)[name].take(table["row"]))


def rows_with_target(table: pa.Table, target: str | None) -> pa.Table:
    """The rows that have a target; nothing is copied where all have one, as is usual."""
    return table.filter(table[target].is_valid()) if target and table[target].null_count else table


def sharing(table: pa.Table, name: str | None, values: Array) -> pa.Table:
    """The table with these values in place of an equal column of the same type, which need no further memory."""
    if name is None or table.schema.field(name).type != pa.from_numpy_dtype(values.dtype):
        return table
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def outside(store: Store, table: pa.Table, fold: int) -> Array:
    """Whether each row of a table is not in this fold: (n,) bool; also true of rows that are in none."""
    of_rows: Array = column_of(store, table, "fold") != fold
    return of_rows


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
    """Concatenate arrays; an empty list gives an empty array. A single one is only copied if it is read-only."""
    if len(columns) == 1:
        return np.require(columns[0], dtype, ["W"])
    return np.concatenate([np.zeros(0, dtype), *columns], dtype=dtype)
