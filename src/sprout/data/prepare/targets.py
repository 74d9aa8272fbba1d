"""What is to be learned: class indices from class names, or numbers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.labels import natural_order
from sprout.data.listing import Array, Listing
from sprout.runtime.errors import UserError

UNKNOWN = -1
SHOWN = 20


@dataclass(frozen=True)
class Targets:
    """The targets of N examples."""

    classes: list[str]
    """Names by index; empty where the set has no classes."""
    index: Array
    """(N,) int64 class indices, `UNKNOWN` where there is none."""
    value: Array | None
    """(N,) float64 numbers to predict; None where the set has none."""

    @property
    def kind(self) -> str | None:
        """class, number, or None where there is nothing to learn from."""
        return "class" if self.classes else "number" if self.value is not None else None


def find_targets(listing: Listing, rows: Array) -> Targets:
    """Return the targets of a listing; only these rows determine which classes exist.

    Raises:
        UserError: there are fewer than two classes, or one has no example.
    """
    value = None if listing.value is None else listing.value.to_numpy(zero_copy_only=False)
    if listing.label is None:
        return Targets([], np.full(len(listing), UNKNOWN), value)
    classes = known_classes(listing, rows)
    if not classes:
        return Targets([], np.full(len(listing), UNKNOWN), value)
    index = pc.index_in(listing.label, pa.array(classes, pa.string())).fill_null(UNKNOWN)
    targets = Targets(classes, index.to_numpy(zero_copy_only=False).astype(np.int64), value)
    check_classes(count_classes(targets.index[rows], classes))
    return targets


def known_classes(listing: Listing, rows: Array) -> list[str]:
    """Return the classes in the order of their index: those that the source names, else those of these rows."""
    if listing.label is None or listing.classes is not None:
        return listing.classes or []
    return natural_order(name for name in pc.unique(listing.label.take(rows)).to_pylist() if name is not None)


def check_classes(counts: dict[str, int]) -> None:
    """Refuse classes that cannot be learned."""
    if len(counts) < 2:
        raise UserError(f"download: only one class ({format_counts(counts)}); a classifier needs at least two")
    if empty := [name for name, count in counts.items() if not count]:
        raise UserError(
            f"download: no example of {', '.join(map(repr, empty))} ({format_counts(counts)}); "
            "add some or leave the class out"
        )


def count_classes(index: Array, classes: list[str]) -> dict[str, int]:
    """Return the number of examples of each class."""
    counts = np.bincount(index[index != UNKNOWN], minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}


def format_counts(counts: dict[str, int]) -> str:
    """Return the counts in one line, the smallest classes first."""
    smallest = sorted(counts.items(), key=lambda item: item[1])
    return ", ".join(f"{name} {count}" for name, count in smallest[:SHOWN]) + (", …" if len(counts) > SHOWN else "")
