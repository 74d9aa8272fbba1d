"""What a source hands to the stage `prepare`: which examples there are, before any is decoded."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.description import Column
from sprout.data.stored_file import MARK, length_of

Array = np.ndarray[Any, np.dtype[Any]]
Faults = dict[int, str]
"""Row of an example → what is wrong with it."""

SPLITS = ("train", "val", "unlabelled", "test")
"""Values of `Listing.split`."""


@dataclass(frozen=True)
class Files:
    """Examples that are image files."""

    root: Path
    """All of them lie under it; a link that leaves it is refused when it is read."""
    paths: list[str]
    """(N,) relative to the root, as the file system spells them."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def place(self) -> str:
        """Where they are read: an absolute folder, or s3://BUCKET/PREFIX."""
        return os.path.abspath(self.root)

    def some(self, rows: slice) -> list[str]:
        """Return what names these files to whoever decodes them."""
        return self.paths[rows]

    def sizes(self, rows: slice) -> Iterator[int]:
        """Yield the bytes of these files; 0 for one that is not there."""
        for path in (os.path.join(self.root, path) for path in self.paths[rows]):
            yield os.path.getsize(path) if os.path.isfile(path) else 0


@dataclass(frozen=True, kw_only=True)
class Members(Files):
    """Images in uncompressed archives, which are read there."""

    archives: str
    """The place of the archives, as in `Stored`."""
    stamps: dict[str, str]
    """Name of an archive → what changes with its content."""

    @property
    def place(self) -> str:
        """See `Files`."""
        return self.archives

    def some(self, rows: slice) -> list[str]:
        """See `Files`; the paths, with the stamps of their archives."""
        return [f"{path}{MARK}{self.stamps[path.partition(MARK)[0]]}" if path else path for path in self.paths[rows]]

    def sizes(self, rows: slice) -> Iterator[int]:
        """See `Files`."""
        return (length_of(path) if path else 0 for path in self.paths[rows])


@dataclass(frozen=True)
class Listing:
    """A data set in the order of its source: N examples, none of them decoded."""

    examples: Files | Array
    """Image files; or an array, memory-mapped if it is large: images (N, H, W) or (N, H, W, C), uint8, uint16,
    float in 0..1, or other numbers with `prepare.levels`; or features (N, F) float32."""
    origin: pa.Array
    """(N,) string or large_string: where each example comes from, for messages and label tables."""
    label: pa.Array | None = None
    """(N,) string: class names, null only for a fault or where `split` is unlabelled; None: there are no classes."""
    value: pa.Array | None = None
    """(N,) float64: the number to predict; None: there is none."""
    split: pa.Array | None = None
    """(N,) string: one of `SPLITS`, null where it is to be drawn; None: all are to be drawn."""
    group: pa.Array | None = None
    """(N,) string: examples of one group stay in one split; null is a group of its own."""
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
