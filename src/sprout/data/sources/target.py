"""Source `target`: a class of the user's own."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.download import Target
from sprout.config.environment import call_arguments
from sprout.data.formats.labels import rows_without_target, with_unlabelled
from sprout.data.formats.npy import row_slices
from sprout.data.listing import SPLITS, Array, Files, Listing, merge_faults, same_fault
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass


class DataSource(ABC):
    """The base class of a source. It is made with `download.args` by each of the stages `download` and `prepare`."""

    def fetch(self, folder: Path) -> None:
        """Write files to `data/raw`, once; their checksums are recorded. A source that only reads needs none.

        Args:
            folder: empty.
        """

    @abstractmethod
    def read(self, folder: Path, scratch: Path) -> Listing:
        """List the examples.

        Args:
            folder: with the files of `fetch`.
            scratch: an empty folder for files that the listing needs as long as it is used.
        """


def fetch(settings: Target, folder: Path, _partial: Path) -> None:
    """Let the user's class write its files.

    Raises:
        UserError: there is no such class, or it takes other arguments.
    """
    source_of(settings).fetch(folder)


def read(settings: Target, folder: Path, scratch: Path) -> Listing:
    """List the examples of the user's class.

    Raises:
        UserError: there is no such class, it takes other arguments, or its listing is not valid.
    """
    listing = source_of(settings).read(folder, scratch)
    for problem in problems(listing):
        raise UserError(f"download.target={settings.target}: read() {problem}; see sprout.data.listing.Listing")
    return completed(listing)


def completed(listing: Listing) -> Listing:
    """The listing with rows without a label in the unlabelled pool, and with faults where something is missing."""
    faults, split = listing.faults, listing.split
    if listing.label is not None:
        split = with_unlabelled(split, listing.label)
        faults = merge_faults(faults, same_fault(rows_without_target(listing.label, split), "no label"))
    if listing.value is not None:
        value = pc.if_else(pc.is_finite(listing.value), listing.value, None)
        faults = merge_faults(
            faults, same_fault(rows_without_target(value, split), "the target is not a finite number")
        )
    examples = listing.examples
    if isinstance(examples, np.ndarray) and examples.ndim == 2:
        wrong = rows_not_finite(examples, listing.filled)
        faults = merge_faults(faults, same_fault(wrong, "a feature is not a finite number"))
    return replace(listing, split=split, faults=faults)


def rows_not_finite(features: Array, filled: list[int]) -> list[int]:
    """The rows of (N, F) features with a NaN or an infinite number; NaN in the places `filled` are accepted."""
    accepted = np.isin(np.arange(features.shape[1]), filled)
    found: list[int] = []
    for rows in row_slices(features):
        fine = np.isfinite(features[rows]) | (accepted & np.isnan(features[rows]))
        found += (rows.start + np.flatnonzero(~fine.all(axis=1))).tolist()
    return found


def source_of(settings: Target) -> DataSource:
    """Make the user's source."""
    kind = subclass("download.target", settings.target, DataSource)  # type: ignore[type-abstract]
    arguments = call_arguments("download.args", settings.args)
    try:
        return kind(**arguments)
    except TypeError as error:
        raise UserError(f"download.target={settings.target}: {error}; check download.args") from None


def problems(listing: object) -> list[str]:
    """Return what is wrong with what a user's source has returned."""
    if not isinstance(listing, Listing):
        return [f"returned {type(listing).__name__}, not a Listing"]
    if wrong := examples_problem(listing.examples):
        return [wrong]
    columns = {name: getattr(listing, name) for name in ("origin", "label", "value", "split", "group")}
    return [wrong for name, column in columns.items() if (wrong := column_problem(name, column, len(listing)))]


def column_problem(name: str, column: object, count: int) -> str | None:
    """Return what is wrong with a column, None where nothing is."""
    if column is None and name != "origin":
        return None
    kind = pa.float64() if name == "value" else pa.string()
    accepted = (kind, pa.large_string()) if name == "origin" else (kind,)
    if not isinstance(column, pa.Array) or column.type not in accepted:
        given = getattr(column, "type", type(column).__name__)
        return f"has `{name}` of {given}, not a pyarrow array of {kind}"
    if len(column) != count:
        return f"has {len(column)} `{name}` for {count} examples"
    unknown = set(column.to_pylist()) - {None, *SPLITS} if name == "split" else None
    return f"has the split {unknown.pop()!r}; accepted: {', '.join(SPLITS)}, null" if unknown else None


def examples_problem(examples: object) -> str | None:
    """Return what is wrong with examples, None where nothing is."""
    if isinstance(examples, Files):
        return None
    if not isinstance(examples, np.ndarray):
        return f"has `examples` of {type(examples).__name__}; accepted: Files, or an array"
    images = examples.ndim in (3, 4) and (examples.dtype in (np.uint8, np.uint16) or examples.dtype.kind == "f")
    if images or (examples.ndim == 2 and examples.dtype == np.float32):
        return None
    return (
        f"has `examples` of shape {examples.shape}, {examples.dtype}; accepted: images (N, H, W) or (N, H, W, C), "
        "uint8, uint16 or float in 0..1; features (N, F) float32"
    )
