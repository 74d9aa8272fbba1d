"""Arrays of numpy: images or features, with an array of labels beside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.faults import Faults, add, all_of, merged
from sprout.data.formats.npy import open_array
from sprout.data.formats.numbers import narrowed
from sprout.data.formats.room import room, steps
from sprout.data.formats.text_table import trimmed
from sprout.data.sources.class_names import named
from sprout.data.sources.listing import Array, Listing
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

CHANNELS = (1, 3, 4)
IMAGES = "images (N, H, W) or (N, H, W, 1, 3 or 4), uint8, uint16 or float in 0..1; features (N, F) of numbers"


def read(
    root: Path,
    scratch: Path,
    *,
    train: str,
    train_labels: str | None,
    test: str | None,
    test_labels: str | None,
    classes: Sequence[str] | None,
) -> Listing:
    """Map the arrays, and check what they hold.

    Args:
        root: where the files lie.
        scratch: a folder for arrays that are joined, converted or come out of an archive.
        train: images or features; see `settings.forms.Arrays` for this and all that follow.

    Raises:
        UserError: a file is missing or damaged, its array is of no accepted kind, or lengths do not fit.
    """
    check_pairs(train_labels, test, test_labels)
    names = [name for name in (train, test) if name is not None]
    label_names = [name for name in (train_labels, test_labels) if name is not None]
    parts = [checked(open_array(root, name, scratch), name) for name in names]
    labels, label_faults = None, Faults()
    if label_names:
        texts = [label_texts(open_array(root, name, scratch), name) for name in label_names]
        for part, name, text, label_name in zip(parts, names, texts, label_names, strict=True):
            if len(part) != len(text):
                raise UserError(f"{label_name}: {len(text)} labels for the {len(part)} examples of {name}")
        given = pa.concat_arrays([trimmed(text) for text in texts])
        labels, label_faults = named(given, classes)
        label_faults = merged(all_of(np.flatnonzero(np.asarray(given.is_null())), "no label"), label_faults)
    examples, faults = joined(parts, names, scratch)
    splits = pa.array(["train", "test"]).take(pa.array(np.repeat(np.arange(len(parts)), [len(part) for part in parts])))
    return Listing(
        examples,
        pa.concat_arrays([indexed(name, len(part)) for name, part in zip(names, parts, strict=True)]),
        label=labels,
        split=None if test is None else splits,
        classes=None if classes is None or labels is None else list(classes),
        faults=merged(faults, label_faults),
    )


def check_pairs(train_labels: str | None, test: str | None, test_labels: str | None) -> None:
    """Refuse labels without examples, and labels for one part only."""
    if test is None and test_labels is not None:
        raise UserError(f"download.form.test_labels={test_labels}: there is no `test` they belong to; name it")
    if test is not None and (train_labels is None) != (test_labels is None):
        missing = "train_labels" if train_labels is None else "test_labels"
        raise UserError(f"download.form.{missing}=null: the other part has labels; name them, or none for either part")


def checked(array: Array, name: str) -> Array:
    """An array of an accepted kind.

    Raises:
        UserError: it is of another, or empty.
    """
    kind, shape = array.dtype, array.shape
    images = kind in (np.uint8, np.uint16) or kind.kind == "f"
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in CHANNELS)
    if not ((images and fits) or (len(shape) == 2 and kind.kind in "biuf")):
        raise UserError(f"{name}: shape {shape}, {kind}; accepted: {IMAGES}")
    if not array.size:
        raise UserError(f"{name}: shape {shape}, so it holds nothing; add examples")
    return array


def joined(parts: list[Array], names: list[str], scratch: Path) -> tuple[Array, Faults]:
    """All parts as one array, and the rows with values that cannot be; no copy where one array is as it should be.

    Raises:
        UserError: the parts are of different kinds.
    """
    first = parts[0]
    features = first.ndim == 2
    for part, name in zip(parts[1:], names[1:], strict=True):
        same_type = features or part.dtype.newbyteorder("=") == first.dtype.newbyteorder("=")
        if part.shape[1:] != first.shape[1:] or not same_type:
            raise UserError(
                f"{name}: shape {part.shape}, {part.dtype}, but {names[0]} has {first.shape}, {first.dtype}; "
                "both must be alike but for their number"
            )
    dtype = np.dtype(np.float32) if features else first.dtype.newbyteorder("=")
    whole = first
    if len(parts) > 1 or first.dtype != dtype:
        whole = room(scratch / "joined.npy", (sum(map(len, parts)), *first.shape[1:]), dtype)
    faults: Faults = {}
    pieces = [(part, piece) for part in parts for piece in steps(part)]
    start = 0
    for part, piece in track(pieces, "arrays", len(pieces)):
        values = narrowed(part[piece]) if features else part[piece]
        if dtype.kind == "f":
            add(faults, unsound(values, features=features), start)
        if whole is not first:
            whole[start : start + len(values)] = values
        start += len(values)
    return whole, faults


def unsound(values: Array, *, features: bool) -> Faults:
    """Rows with a value that is not finite or, in an image, not in 0..1."""
    rows = values.reshape(len(values), -1)
    wrong = ~np.isfinite(rows) if features else ~((rows >= 0) & (rows <= 1))
    accepted = "a finite number" if features else "in 0..1, as those of images of this type must be"
    faulty = np.flatnonzero(wrong.any(axis=1))
    return {int(row): f"a value is {rows[row, wrong[row].argmax()]}, not {accepted}" for row in faulty}


def label_texts(array: Array, name: str) -> pa.Array:
    """Labels as text: (N,) or (N, 1) → (N,) string.

    Raises:
        UserError: they are no labels.
    """
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)) or array.dtype.kind not in "biuUS":
        raise UserError(f"{name}: shape {array.shape}, {array.dtype}; accepted: (N,) whole numbers, booleans or text")
    flat = np.asarray(array).reshape(-1)
    try:
        if flat.dtype.kind == "S":
            flat = np.char.decode(flat, "utf-8")
        return pa.array(flat.astype(flat.dtype.newbyteorder("="))).cast(pa.string())
    except (UnicodeError, pa.ArrowInvalid):
        raise UserError(f"{name}: a label is not UTF-8; save the labels as text of numpy (U)") from None


def indexed(name: str, count: int) -> pa.Array:
    """Where rows come from, as numpy counts them: (count,) string such as "x.npy[17]"."""
    rows = pc.cast(pa.array(np.arange(count)), pa.string())
    return pc.binary_join_element_wise(f"{name}[", rows, "]", "")
