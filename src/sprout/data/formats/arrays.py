"""Format `arrays`: NumPy arrays of images or features, and of labels."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Arrays
from sprout.data.formats.labels import class_names
from sprout.data.formats.npy import allocate, open_array, row_slices
from sprout.data.formats.values import as_float32, trimmed
from sprout.data.listing import Array, Faults, Listing, add_faults, merge_faults, same_fault
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

CHANNELS = (1, 3, 4)
IMAGES = "images (N, H, W) or (N, H, W, 1, 3 or 4), uint8, uint16 or float in 0..1; features (N, F) of numbers"


def read(root: Path, scratch: Path, settings: Arrays) -> Listing:
    """Map the arrays into memory, and check their values.

    Args:
        root: the data folder.
        scratch: a folder for arrays that are joined, converted or read from an archive.
        settings: the files of the examples and labels.

    Raises:
        UserError: a file is missing or damaged, its array has no accepted shape and type, or lengths differ.
    """
    check_pairs(settings)
    names = [name for name in (settings.train, settings.test) if name is not None]
    label_names = [name for name in (settings.train_labels, settings.test_labels) if name is not None]
    arrays = [check_examples(open_array(root, name, scratch), name) for name in names]
    given_labels = {name: open_array(root, name, scratch) for name in label_names}
    texts = [label_texts(array, name) for name, array in given_labels.items()]
    if settings.classes is None:  # else the numbers are indices, and others are faults of their rows
        for name, array in given_labels.items():
            refuse_negative(array, name)
    labels, label_faults = None, Faults()
    if texts:
        check_lengths(dict(zip(names, arrays, strict=True)), dict(zip(label_names, texts, strict=True)))
        given = pa.concat_arrays([trimmed(text) for text in texts])
        labels, wrong = class_names(given, settings.classes)
        label_faults = merge_faults(same_fault(np.flatnonzero(np.asarray(given.is_null())), "no label"), wrong)
    examples, faults = join(arrays, names, scratch)
    split = pa.array(np.repeat(np.arange(len(arrays)), [len(array) for array in arrays]))
    return Listing(
        examples,
        pa.concat_arrays([index_names(name, len(array)) for name, array in zip(names, arrays, strict=True)]),
        label=labels,
        split=None if settings.test is None else pa.array(["train", "test"]).take(split),
        classes=None if settings.classes is None or labels is None else list(settings.classes),
        faults=merge_faults(faults, label_faults),
    )


def check_pairs(settings: Arrays) -> None:
    """Check that both splits have labels, or neither.

    Raises:
        UserError: one has none, or labels have no examples.
    """
    if settings.test is None and settings.test_labels is not None:
        raise UserError(f"download.format.test_labels={settings.test_labels}: there is no `test` for them; name it")
    if settings.test is not None and (settings.train_labels is None) != (settings.test_labels is None):
        missing = "train_labels" if settings.train_labels is None else "test_labels"
        raise UserError(f"download.format.{missing}=null: the other split has labels; name both, or neither")


def check_lengths(examples: dict[str, Array], labels: dict[str, pa.Array]) -> None:
    """Check that there is a label for each example; keys are the names of the arrays.

    Raises:
        UserError: the numbers differ.
    """
    for (name, array), (label_name, texts) in zip(examples.items(), labels.items(), strict=True):
        if len(array) != len(texts):
            raise UserError(f"{label_name}: {len(texts)} labels for the {len(array)} examples of {name}")


def check_examples(array: Array, name: str) -> Array:
    """Return an array of images or features.

    Raises:
        UserError: it has another shape or type, or is empty.
    """
    kind, shape = array.dtype, array.shape
    images = kind in (np.uint8, np.uint16) or kind.kind == "f"
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in CHANNELS)
    if not ((images and fits) or (len(shape) == 2 and kind.kind in "biuf")):
        raise UserError(f"{name}: shape {shape}, {kind}; accepted: {IMAGES}")
    if not array.size:
        raise UserError(f"{name}: shape {shape}, so it is empty; add examples")
    return array


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
        if dtype.kind == "f":
            add_faults(faults, invalid_rows(values, features=features), start)
        if target is not first:
            target[start : start + len(values)] = values
        start += len(values)
    return target, faults


def invalid_rows(values: Array, *, features: bool) -> Faults:
    """Return the rows with a feature that is not finite, or a pixel outside of 0..1."""
    rows = values.reshape(len(values), -1)
    wrong = ~np.isfinite(rows) if features else ~((rows >= 0) & (rows <= 1))
    accepted = "a finite number" if features else "in 0..1, as pixels of this type must be"
    faulty = np.flatnonzero(wrong.any(axis=1))
    return {int(row): f"a value is {rows[row, wrong[row].argmax()]}, not {accepted}" for row in faulty}


def label_texts(array: Array, name: str) -> pa.Array:
    """Return labels as text: (N,) or (N, 1) → (N,) string.

    Raises:
        UserError: the array has another shape, or a type that labels cannot have.
    """
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)) or array.dtype.kind not in "biuUS":
        raise UserError(f"{name}: shape {array.shape}, {array.dtype}; accepted: (N,) integers, booleans or text")
    flat = np.asarray(array).reshape(-1)
    try:
        if flat.dtype.kind == "S":
            flat = np.char.decode(flat, "utf-8")
        return pa.array(flat.astype(flat.dtype.newbyteorder("="))).cast(pa.string())
    except (UnicodeError, pa.ArrowInvalid):
        raise UserError(f"{name}: a label is not UTF-8; save the labels as Unicode text (dtype U)") from None


def refuse_negative(labels: Array, name: str) -> None:
    """Refuse a single negative number among whole numbers from 0 on, which is no class as a rule.

    Args:
        labels: of any shape and type.
        name: of the array, for messages.

    Raises:
        UserError: there is one.
    """
    values = np.unique(labels) if labels.dtype.kind == "i" else np.zeros(0, np.int64)
    if (values < 0).sum() == 1 and len(values) > 2:
        raise UserError(
            f"{name}: label {values[0]} beside numbers from 0 on: correct it, or leave its examples out; if it is a "
            "class, save the labels as text (dtype U)"
        )


def index_names(name: str, count: int) -> pa.Array:
    """Return the origin of each row, counted from 0: (count,) string such as "x.npy[17]"."""
    rows = pc.cast(pa.array(np.arange(count)), pa.string())
    return pc.binary_join_element_wise(f"{name}[", rows, "]", "")
