"""Format `arrays`: arrays of images or features, and of labels or numbers to learn."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Arrays
from sprout.data.formats.array_file import open_array
from sprout.data.formats.array_targets import class_texts, number_values
from sprout.data.formats.labels import class_names, rows_without_target, target_text, with_unlabelled
from sprout.data.formats.npy import allocate, row_slices
from sprout.data.formats.values import as_float32
from sprout.data.listing import Array, Faults, Listing, add_faults, merge_faults, same_fault
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

CHANNELS = (1, 3, 4)
IMAGES = "images (N, H, W), (N, H, W, 1, 3 or 4) or (N, 1 or 3, H, W) of integers or floats; features (N, F) of numbers"


class Part(NamedTuple):
    """The examples of one split."""

    split: str
    name: str
    """Of the array."""
    targets: pa.Array | None
    """(n,) string or float64: what is to be learned, null where nothing is given; None: the split has no labels."""
    examples: Array
    """(n, H, W), (n, H, W, C) or (n, F)."""


def read(root: Path, scratch: Path, settings: Arrays) -> Listing:
    """Map the arrays into memory, and check their values.

    Args:
        root: the data folder.
        scratch: a folder for arrays that are joined, converted or read from an archive.
        settings: the arrays of each split.

    Raises:
        UserError: a file is missing or damaged, its array has no accepted shape and type, or lengths differ.
    """
    notes: list[str] = []
    parts: list[Part] = []
    for split, (name, label_name) in arrays_by_split(settings).items():
        targets = None if label_name is None else open_targets(root, label_name, scratch, number=settings.number)
        found = open_examples(root, name, scratch, None if targets is None else len(targets), notes)
        if targets is not None and len(targets) != len(found):
            raise UserError(f"{label_name}: {len(targets)} labels for the {len(found)} examples of {name}")
        parts.append(Part(split, name, targets, found))
    examples, faults = join([part.examples for part in parts], [part.name for part in parts], scratch)
    splits = split_of_each(parts)
    labels = values = None
    label_faults: Faults = {}
    if settings.train_labels is not None:
        joined = targets_of_all(parts)
        if settings.number:
            values = joined
            label_faults = same_fault(rows_without_target(joined, splits), "the target is not a finite number")
        else:
            given = target_text(joined, settings.missing)
            splits = with_unlabelled(splits, given)
            labels, unknown = class_names(given, settings.classes)
            label_faults = merge_faults(same_fault(rows_without_target(given, splits), "no label"), unknown)
    return Listing(
        examples,
        pa.concat_arrays([index_names(part.name, len(part.examples)) for part in parts]),
        label=labels,
        value=values,
        split=splits,
        classes=None if settings.classes is None or labels is None else list(settings.classes),
        faults=merge_faults(faults, label_faults),
        notes=notes,
    )


def arrays_by_split(settings: Arrays) -> dict[str, tuple[str, str | None]]:
    """Return the names of the examples and of their labels by split.

    Raises:
        UserError: some splits have labels and others have none, or labels have no examples.
    """
    given = {
        "train": (settings.train, settings.train_labels),
        "val": (settings.val, settings.val_labels),
        "test": (settings.test, settings.test_labels),
    }
    for split, (examples, labels) in given.items():
        key = f"download.format.{split}_labels"
        if examples is None and labels is not None:
            raise UserError(f"{key}={labels}: there is no `{split}` for them; name it")
        if examples is not None and (labels is None) != (settings.train_labels is None):
            missing = key if labels is None else "download.format.train_labels"
            raise UserError(f"{missing}=null: the other split has labels; name both, or neither")
    if settings.unlabelled is not None and settings.train_labels is None:
        raise UserError(
            f"download.format.unlabelled={settings.unlabelled}: train has no labels either; name `train_labels`, or "
            "one array in `train`"
        )
    named = given | {"unlabelled": (settings.unlabelled, None)}
    return {split: (examples, labels) for split, (examples, labels) in named.items() if examples is not None}


def split_of_each(parts: list[Part]) -> pa.Array | None:
    """Return the split of each example, (N,) string; None where there is train alone, and splits are to be drawn."""
    if len(parts) == 1:
        return None
    of_part = np.repeat(np.arange(len(parts)), [len(part.examples) for part in parts])
    return pa.array([part.split for part in parts]).take(pa.array(of_part))


def targets_of_all(parts: list[Part]) -> pa.Array:
    """Return what is to be learned of each example: (N,) string or float64, null where nothing is given."""
    kind = next(part.targets.type for part in parts if part.targets is not None)
    return pa.concat_arrays(
        [pa.nulls(len(part.examples), kind) if part.targets is None else part.targets for part in parts]
    )


def open_targets(root: Path, name: str, scratch: Path, *, number: bool) -> pa.Array:
    """Return the labels or numbers of an array: (n,) string or float64, null where nothing is given.

    Raises:
        UserError: it is missing or damaged, or has no accepted shape and type.
    """
    array = open_array(root, name, scratch)
    return number_values(array, name) if number else class_texts(array, name)


def open_examples(root: Path, name: str, scratch: Path, count: int | None, notes: list[str]) -> Array:
    """Map an array of images, (n, H, W) or (n, H, W, C), or features into memory.

    Args:
        root: the data folder.
        name: of the array.
        scratch: a folder for an array that is unpacked.
        count: how many examples there should be, if known.
        notes: gets how the axes are taken, where that is a guess.

    Raises:
        UserError: it is missing or damaged, has another shape or type, or is empty.
    """
    array = open_array(root, name, scratch)
    shape = array.shape
    if len(shape) in (3, 4) and shape[0] != count == shape[-1]:
        notes.append(f"{name}: shape {shape} is taken as (H, W, {'C, ' if len(shape) == 4 else ''}N)")
        array = np.moveaxis(array, -1, 0)
    elif len(shape) == 4 and shape[3] not in CHANNELS and shape[1] in (1, 3):
        notes.append(f"{name}: shape {shape} is taken as (N, C, H, W)")
        array = np.moveaxis(array, 1, -1)
    check_examples(array, name, shape)
    return array


def check_examples(array: Array, name: str, shape: tuple[int, ...]) -> None:
    """Check an array's type, and its axes, which may have been reordered from `shape`.

    Raises:
        UserError: it is neither of images nor of features, or is empty.
    """
    kind = array.dtype
    images = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in CHANNELS)
    if not ((images and kind.kind in "iuf") or (array.ndim == 2 and kind.kind in "biuf")):
        raise UserError(f"{name}: shape {shape}, {kind}; accepted: {IMAGES}; convert it")
    if not array.size:
        raise UserError(f"{name}: shape {shape}, so it is empty; add examples")


def join(arrays: list[Array], names: list[str], scratch: Path) -> tuple[Array, Faults]:
    """Return all arrays as one, and the rows with invalid values; a single array of the right type is not copied.

    Raises:
        UserError: they have different shapes or types.
    """
    first = arrays[0]
    features = first.ndim == 2
    for array, name in zip(arrays[1:], names[1:], strict=True):
        same_type = features or array.dtype.newbyteorder("=") == first.dtype.newbyteorder("=")
        if array.shape[1:] != first.shape[1:] or not same_type:
            raise UserError(
                f"{name}: shape {array.shape}, {array.dtype}, but {names[0]} has {first.shape}, {first.dtype}; "
                "accepted: the same type, and the same shape except for the first axis"
            )
    dtype = np.dtype(np.float32) if features else first.dtype.newbyteorder("=")
    target = first
    if len(arrays) > 1 or first.dtype != dtype:
        target = allocate(scratch / "joined.npy", (sum(map(len, arrays)), *first.shape[1:]), dtype)
    faults: Faults = {}
    slices = [(array, rows) for array in arrays for rows in row_slices(array)]
    start = 0
    for array, rows in track(slices, "arrays", len(slices)):
        values = as_float32(array[rows]) if features else array[rows]
        if features:
            add_faults(faults, not_finite(values), start)
        if target is not first:
            target[start : start + len(values)] = values
        start += len(values)
    return target, faults


def not_finite(rows: Array) -> Faults:
    """Return the rows with a feature that is not finite."""
    wrong = ~np.isfinite(rows)
    faulty = np.flatnonzero(wrong.any(axis=1))
    return {int(row): f"a value is {rows[row, wrong[row].argmax()]}, not a finite number" for row in faulty}


def index_names(name: str, count: int) -> pa.Array:
    """Return the origin of each row, counted from 0: (count,) string such as "x.npy[17]"."""
    rows = pc.cast(pa.array(np.arange(count)), pa.string())
    return pc.binary_join_element_wise(f"{name}[", rows, "]", "")
