"""The store: prepared examples on disk, one memory-mapped array (in shards) and a label table per split."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.shards import SHARD_BYTES, ShardWriter, checksum_of, rows_per_shard, shard_path
from sprout.runtime.checksums import SUMS, check_sums, once_per_change, sha256, write_sums
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import read_json, write_json

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


@dataclass(frozen=True)
class Store:
    """One split, opened. Nothing is copied until examples are taken, nor read of the table until it is asked for."""

    shards: list[Array]
    folder: Path
    checksum: str
    """SHA-256 of the SHA-256 of each file of examples."""
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
        return Store([self.take(rows)], self.folder, name, rows)

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (H, W, C) or (F,)."""
        return tuple(self.shards[0].shape[1:])

    @cached_property
    def starts(self) -> Array:
        """The first row of each shard, and the end: (shards + 1,)."""
        return np.cumsum([0, *(len(shard) for shard in self.shards)])

    def take(self, rows: Array) -> Array:
        """Copy the examples of these rows, in their order: (n,) int64 → (n, H, W, C)."""
        if len(self.shards) == 1:
            return np.asarray(self.shards[0][rows])
        taken = np.empty((len(rows), *self.shape), self.shards[0].dtype)
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(shard_of):
            inside = shard_of == number
            taken[inside] = self.shards[number][rows[inside] - self.starts[number]]
        return taken


def open_store(folder: Path) -> Store:
    """Open a split.

    Raises:
        UserError: the folder is no store, its examples are not those that were written, or its table does not fit them.
    """
    paths = sorted(folder.glob("examples-*.npy"), key=lambda path: (len(path.name), path.name))
    if not paths or not all((folder / name).exists() for name in ("labels.parquet", "store.json")):
        raise UserError(f"{folder}: no prepared examples here; `dvc repro` makes them")
    try:
        described = read_json(folder / "store.json")
        store = Store([np.load(path, mmap_mode="r") for path in paths], folder, described["sha256"])
        kind = described["dtype"], described["shape"]
        fits = all((shard.dtype.name, [*shard.shape[1:]]) == kind for shard in store.shards)
        rows = pq.read_metadata(folder / "labels.parquet").num_rows
    except (ValueError, EOFError, KeyError, TypeError, OSError) as error:
        raise damaged(folder, error) from None
    if rows != len(store):
        raise UserError(f"{folder}: {rows} rows of labels for {len(store)} examples; run `dvc repro`")
    if not fits:
        raise UserError(
            f"{folder}: its examples are no {kind[0]} of shape {kind[1]}, as store.json says; run `dvc repro`"
        )
    once_per_change([*paths, folder / "store.json"], partial(verify, store, paths))
    return store


def verify(store: Store, paths: Sequence[Path]) -> None:
    """Compare the files of a store's examples with its checksum.

    Raises:
        UserError: they differ.
    """
    with ThreadPoolExecutor() as threads:
        found = checksum_of([*threads.map(sha256, paths)])
    if found != store.checksum:
        raise UserError(
            f"{store.folder}: the checksum of its examples is {found}, its store.json has {store.checksum}: one of "
            "them is damaged or was changed; run `dvc repro`"
        )


def damaged(path: Path, error: Exception) -> UserError:
    """What is said of a store, or a file of it, that is not as it was written."""
    return UserError(f"{path}: damaged ({one_line(error)}); run `dvc repro`")


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
        self.shards: list[str] = []
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


def describe_store(folder: Path, shape: Sequence[int], dtype: str, shards: Sequence[str], labels: pa.Table) -> None:
    """Write what a store has besides its examples: the label table, and `store.json` with a checksum.

    Args:
        folder: with the examples.
        shape: of one example.
        dtype: uint8 or float32.
        shards: the SHA-256 of each file of examples, in order.
        labels: one row per example, of the schema `LABELS`.
    """
    write_labels(folder, labels)
    described = {"examples": labels.num_rows, "shape": shape, "dtype": dtype}
    write_json(folder / "store.json", {**described, "sha256": checksum_of(shards)})


def write_store(folder: Path, examples: Array, labels: pa.Table, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a split whose examples are at hand: (N, H, W, C) uint8 or (N, F) float32."""
    with StoreWriter(folder, len(examples), examples.shape[1:], examples.dtype.name, shard_bytes) as writer:
        writer.append(examples)
        writer.close(labels)


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
        raise damaged(path, error) from None


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
