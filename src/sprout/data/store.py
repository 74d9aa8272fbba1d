"""The store: prepared examples on disk, one memory-mapped array (in shards) and a label table per split."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.shards import shard_path
from sprout.data.store_manifest import MANIFEST, damaged, map_shard, read_manifest, verify, written_when
from sprout.runtime.checksums import SUMS, check_sums, once_per_change, write_sums
from sprout.runtime.errors import UserError, one_line

LABELS = pa.schema(
    [
        ("row", pa.int64()),  # the example's place in its store
        ("label", pa.int64()),  # class index; null where it is not known, or there are no classes
        ("value", pa.float64()),  # the number to predict; null where it is not known, or there is none
        ("source", pa.dictionary(pa.int8(), pa.string())),  # given, augmented or pseudo
        ("confidence", pa.float32()),  # 1 for a given label
        ("weight", pa.float32()),  # what the example counts in the loss of a training; 1 as a rule
        ("round", pa.int64()),  # 0 for a given label, else the round that accepted it
        ("group", pa.int64()),  # examples of one group never lie in two splits
        ("origin", pa.large_string()),  # where the example comes from; more than 2 GiB in a large store
        ("fold", pa.int16()),  # the fold of cross-validation that the example is in; null without folds
    ]
)
STORES = ("data/prepared/train", "data/augmented", "data/prepared/unlabelled")
"""What a teacher may train on."""
Array = np.ndarray[Any, np.dtype[Any]]
OPEN = 128
"""Files of a store that are mapped at once. Each map has a file descriptor, of which a process may often have 1024."""


@dataclass(frozen=True)
class Store:
    """One split, opened. Nothing is copied until examples are taken, nor read of the table until it is asked for."""

    folder: Path
    checksum: str
    """SHA-256 of the SHA-256 of each file of examples."""
    shape: tuple[int, ...]
    """Of one example: (H, W, C) or (F,)."""
    dtype: np.dtype[Any]
    starts: Array
    """The first row of each file, and the end: (files + 1,)."""
    shard: Callable[[int], Array]
    """The examples of a file by its number from 0, (n, *shape), which must not be written to."""
    rows: Array | None = None
    """(N,) the rows of the folder's label table that these examples have; None for all."""

    @cached_property
    def labels(self) -> pa.Table:
        """The label table."""
        return self.columns(*LABELS.names)

    def columns(self, *names: str) -> pa.Table:
        """Some columns of the label table, which costs less than all: of two million examples these take 150 MB.

        Raises:
            UserError: the table is damaged.
        """
        table = read_labels(self.folder, names)
        if self.rows is None:
            return table
        table = table.take(self.rows)
        if "row" not in names:
            return table
        return table.set_column(table.column_names.index("row"), "row", pa.array(np.arange(len(self.rows))))

    def part(self, rows: Array) -> "Store":
        """A copy of these rows in memory, (n,) int64, as a store of its own."""
        name = hashlib.sha256(self.checksum.encode() + rows.astype(np.int64).tobytes()).hexdigest()
        starts, taken = np.array([0, len(rows)]), [self.take(rows)]
        return Store(self.folder, name, self.shape, self.dtype, starts, taken.__getitem__, rows)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def single(self) -> Array | None:
        """All examples, (N, *shape), where one file holds them, else None."""
        return self.shard(0) if len(self.starts) == 2 else None

    def take(self, rows: Array) -> Array:
        """Copy the examples of these rows, in their order: (n,) int64 → (n, *shape).

        Raises:
            UserError: a file is damaged.
        """
        if len(self.starts) == 2:
            return self.shard(0)[rows]
        taken = np.empty((len(rows), *self.shape), self.dtype)
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(shard_of).tolist():
            inside = shard_of == number
            taken[inside] = self.shard(number)[rows[inside] - self.starts[number]]
        return taken


def open_store(folder: Path) -> Store:
    """Open a split. Its files are mapped when examples of them are asked for.

    Raises:
        UserError: the folder is no store, its examples are not those that were written, or its table does not fit them.
    """
    if not all((folder / name).exists() for name in ("labels.parquet", MANIFEST)):
        raise UserError(f"{folder}: no prepared examples here; `dvc repro` makes them")
    written = written_when(folder)
    found = read_manifest(folder / MANIFEST)
    try:
        rows = pq.read_metadata(folder / "labels.parquet").num_rows
    except (ValueError, OSError) as error:
        raise damaged(folder / "labels.parquet", one_line(error)) from None
    if rows != found.examples:
        raise UserError(f"{folder}: {rows} rows of labels for {found.examples} examples; run `dvc repro`")
    if found.objects is None:
        paths = [shard_path(folder, number) for number in range(len(found.shards))]
        once_per_change([*paths, folder / MANIFEST], partial(verify, paths, found.shards))
    shard = lru_cache(OPEN)(partial(map_shard, folder, written, found))
    return Store(folder, found.checksum, found.shape, found.dtype, found.starts, shard)


def large_text(texts: Sequence[str] | pa.Array) -> pa.Array | pa.ChunkedArray:
    """Texts with offsets of 64 bits: those of 32 bits end at 2 GiB of text, and `take` then reads beyond them."""
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        return texts.cast(pa.large_string())
    return pa.array(texts, pa.large_string())


def read_labels(folder: Path, columns: Sequence[str] = LABELS.names) -> pa.Table:
    """The label table of a folder, or some of its columns.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / "labels.parquet"
    if not path.is_file():
        raise UserError(f"{path}: not found; `dvc repro` makes it")
    once_per_change([path, folder / SUMS], partial(check_sums, folder, [path.name], "run `dvc repro`"))
    try:
        return pq.read_table(path, columns=list(columns), schema=LABELS)
    except (ValueError, OSError) as error:
        raise damaged(path, one_line(error)) from None


def class_indices(labels: pa.Table) -> Array:
    """The class of each row of a label table, −1 where it is not known: (N,) int64."""
    indices: Array = labels["label"].fill_null(-1).to_numpy()
    return indices


def write_labels(folder: Path, labels: pa.Table) -> None:
    """Write a label table and its checksum; the same table gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(labels.cast(LABELS), folder / "labels.parquet", compression="zstd")
    write_sums(folder, ["labels.parquet"])


def label_table(
    rows: Array,
    labels: Sequence[int | None] | Array | pa.Array,
    *,
    source: str,
    group: Array,
    origin: Sequence[str] | pa.Array,
    value: pa.Array | None = None,
    confidence: Array | None = None,
    weight: Array | None = None,
    round_: int = 0,
    fold: Array | pa.Array | None = None,
) -> pa.Table:
    """Build a label table.

    Args:
        rows: (n,) each example's place in its store.
        labels: (n,) class indices; None where the label is not known.
        source: where the labels come from: given, augmented or pseudo.
        group: (n,) group of each example.
        origin: (n,) where each example comes from.
        value: (n,) the numbers to predict; left out where there are none.
        confidence: (n,) probability of each label; 1 when left out.
        weight: (n,) what each example counts in the loss of a training; 1 when left out.
        round_: the round that accepted the labels.
        fold: (n,) each example's fold; left out without folds.
    """
    n = len(rows)
    sources = pa.DictionaryArray.from_arrays(np.zeros(n, np.int8), [source])
    columns = {
        "row": np.asarray(rows, np.int64),
        "label": pa.array(labels, pa.int64()),
        "value": pa.nulls(n, pa.float64()) if value is None else value,
        "source": sources,
        "confidence": np.ones(n, np.float32) if confidence is None else confidence.astype(np.float32),
        "weight": np.ones(n, np.float32) if weight is None else weight.astype(np.float32),
        "round": np.full(n, round_, np.int64),
        "group": np.asarray(group, np.int64),
        "origin": large_text(origin),
        "fold": pa.nulls(n, pa.int16()) if fold is None else pa.array(fold, pa.int16()),
    }
    return pa.table(columns, schema=LABELS)
