"""From class names to class indices."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.sources.class_names import natural_order
from sprout.data.sources.listing import Array, Listing
from sprout.runtime.errors import UserError

UNKNOWN = -1


@dataclass(frozen=True)
class Targets:
    """What is to be learned, one per example."""

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


def targets(listing: Listing, rows: Array) -> Targets:
    """The targets of a listing; only these rows count for which classes there are.

    Raises:
        UserError: fewer than two classes, or one without an example.
    """
    value = None if listing.value is None else listing.value.to_numpy(zero_copy_only=False)
    if listing.label is None:
        return Targets([], np.full(len(listing), UNKNOWN), value)
    found = {name for name in pc.unique(listing.label.take(rows)).to_pylist() if name is not None}
    if not found and listing.classes is None:
        return Targets([], np.full(len(listing), UNKNOWN), value)
    classes = natural_order(found) if listing.classes is None else listing.classes
    index = pc.index_in(listing.label, pa.array(classes, pa.string())).fill_null(UNKNOWN)
    known = Targets(classes, index.to_numpy(zero_copy_only=False).astype(np.int64), value)
    check(known, rows)
    return known


def check(known: Targets, rows: Array) -> None:
    """Refuse what cannot be learned."""
    counts = per_class(known.index[rows], known.classes)
    if len(counts) < 2:
        raise UserError(f"download: one class only ({listed(counts)}); a classifier needs two or more")
    if empty := [name for name, count in counts.items() if not count]:
        raise UserError(
            f"download: no example of {', '.join(map(repr, empty))} ({listed(counts)}); add some or leave the class out"
        )


def per_class(index: Array, classes: list[str]) -> dict[str, int]:
    """How many examples each class has."""
    counts = np.bincount(index[index != UNKNOWN], minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}


def listed(counts: dict[str, int]) -> str:
    """The counts in one line, the small classes first."""
    smallest = sorted(counts.items(), key=lambda item: item[1])
    return ", ".join(f"{name} {count}" for name, count in smallest[:20]) + (", …" if len(counts) > 20 else "")
