"""What a source hands to the stage `prepare`: which examples there are, before any is decoded."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.contents import length_of
from sprout.data.description import Column
from sprout.data.members import MARK

Array = np.ndarray[Any, np.dtype[Any]]
Faults = dict[int, str]
"""Row of an example → what is wrong with it."""

SPLITS = ("train", "val", "unlabelled", "test")
"""Values of `Listing.split`."""
TEXT = pa.large_string()
"""Texts of which each row has one. The offsets of `pa.string()` end at 2 GiB of text."""
AT_ONCE = 1 << 16
"""Texts that are Python objects at the same time."""


class Texts:
    """A column of texts that grows by one at a time, and takes as many bytes as they have and 8 for each."""

    def __init__(self) -> None:
        self.chunks: list[pa.Array] = [pa.nulls(0, TEXT)]
        self.last: list[str | None] = []

    def append(self, text: str | None) -> None:
        """Add a text."""
        self.last.append(text)
        if len(self.last) == AT_ONCE:
            self.chunks.append(pa.array(self.last, TEXT))
            self.last = []

    def end(self) -> pa.Array:
        """Return the column: (N,) large_string. Nothing can be added any more."""
        chunks, self.chunks = [*self.chunks, pa.array(self.last, TEXT)], []
        return pa.concat_arrays(chunks)


def texts(values: Iterable[str | None]) -> pa.Array:
    """Return texts as a column, (N,) large_string; of an iterator, few are Python objects at a time."""
    column = Texts()
    for value in values:
        column.append(value)
    return column.end()


def values_of(column: pa.Array) -> Iterator[Any]:
    """Yield the values of a column, of which few are Python objects at a time."""
    for start in range(0, len(column), AT_ONCE):
        yield from column[start : start + AT_ONCE].to_pylist()


@dataclass(frozen=True)
class Files:
    """Examples that are image files."""

    root: Path
    """All of them lie under it; a link that leaves it is refused when it is read."""
    paths: pa.Array
    """(N,) large_string: relative to the root, as the file system spells them; "" for one that must not be opened."""
    version: str = ""
    """What changes with any of the files, where each run writes them anew; "": their own lengths and times tell."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def place(self) -> str:
        """Where they are read: an absolute folder, or s3://BUCKET/PREFIX."""
        return os.path.abspath(self.root)

    def some(self, rows: slice) -> list[str]:
        """Return the names by which these files are decoded."""
        found: list[str] = self.paths[rows].to_pylist()
        return found

    def sizes(self, rows: slice) -> Iterator[int]:
        """Yield the bytes of these files; 0 for one that is not there."""
        for path in (os.path.join(self.root, path) for path in values_of(self.paths[rows])):
            yield os.path.getsize(path) if os.path.isfile(path) else 0


@dataclass(frozen=True, kw_only=True)
class Members(Files):
    """Images in uncompressed archives or in Parquet files, which are read there."""

    archives: str
    """The place of these files, as in `Stored`."""
    stamps: dict[str, str]
    """Name of such a file → what changes with its content, and what else is known of it, see `contents`."""
    borders: Array | None = None
    """(G + 1,) int64: the first rows of images that are read together, and N; None: each can be read alone."""
    version: str = "stamps"
    """See `Files`: what `some` returns tells."""

    @property
    def place(self) -> str:
        """See `Files`."""
        return self.archives

    def some(self, rows: slice) -> list[str]:
        """See `Files`; the paths, with the stamps of their files."""
        paths = self.paths[rows].to_pylist()
        return [f"{path}{MARK}{self.stamps[path.partition(MARK)[0]]}" if path else path for path in paths]

    def sizes(self, rows: slice) -> Iterator[int]:
        """See `Files`."""
        return (length_of(path) if path else 0 for path in values_of(self.paths[rows]))


@dataclass(frozen=True)
class Listing:
    """A data set in the order of its source: N examples, none of them decoded."""

    examples: Files | Array
    """Image files; or an array, memory-mapped if it is large: images (N, H, W) or (N, H, W, C), uint8, uint16,
    float in 0..1, or other numbers with `prepare.levels`; or features (N, F) float32."""
    origin: pa.Array
    """(N,) string or large_string: where each example comes from, for messages and label tables."""
    label: pa.Array | None = None
    """(N,) string or large_string, as `split` and `group`: class names, null only for a fault or where `split` is
    unlabelled; None: there are no classes."""
    value: pa.Array | None = None
    """(N,) float64: the number to predict; None: there is none."""
    split: pa.Array | None = None
    """(N,) one of `SPLITS`, null where it is to be drawn; None: all are to be drawn."""
    group: pa.Array | None = None
    """(N,) examples of one group stay in one split; null is a group of its own."""
    classes: list[str] | None = None
    """Class names in the order of their index; None: those that are found, in natural order."""
    features: list[str] | None = None
    """(F,) names of the features of a table."""
    columns: list[Column] | None = None
    """How the columns of a table have become features, medians still missing; None where the source has features."""
    filled: list[int] = field(default_factory=list)
    """The features whose NaN are filled with the median of the training split."""
    faults: Faults = field(default_factory=dict)
    """What is already known to be wrong with single examples."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Files that are none of the examples, though they lay among them, with the reasons."""
    notes: list[str] = field(default_factory=list)
    """What the data could have meant as well, and what was left out, for the user."""

    def __len__(self) -> int:
        return len(self.examples)


def without_faulty(paths: pa.Array, faults: Faults) -> pa.Array:
    """Return the paths, "" for those with a fault: a file with one must not be opened."""
    if not faults:
        return paths
    faulty = np.zeros(len(paths), bool)
    faulty[list(faults)] = True
    return pc.if_else(pa.array(faulty), "", paths)


def add_faults(faults: Faults, more: Faults, start: int = 0) -> None:
    """Add faults whose rows are counted from `start`; several reasons for one row are joined."""
    for row, reason in more.items():
        faults[row + start] = f"{faults[row + start]}; {reason}" if row + start in faults else reason


def merge_faults(*several: Faults) -> Faults:
    """Return all of these faults."""
    merged: Faults = {}
    for faults in several:
        add_faults(merged, faults)
    return merged


def same_fault(rows: Iterable[int], reason: str) -> Faults:
    """Return the same reason for each of these rows."""
    return {int(row): reason for row in rows}
