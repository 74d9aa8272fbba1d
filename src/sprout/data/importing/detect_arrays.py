"""Detect which arrays are the examples and which are the labels, by their names and values."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from sprout.config.formats import Arrays
from sprout.data.formats.array_file import array_shape, open_array
from sprout.data.formats.array_targets import class_texts
from sprout.data.formats.folder_names import SPLIT_WORDS, is_filler, shared_words, words_of
from sprout.data.importing.detect_pixels import square_shape
from sprout.data.importing.table_columns import MAX_INTEGER_CLASSES, ask_what_is_missing
from sprout.data.importing.table_sample import UNSAID, Columns
from sprout.data.listing import Array
from sprout.runtime.errors import UserError

EXAMPLES = ("x", "images", "image", "imgs", "features", "data", "inputs")
"""Words for the examples in an array's name, the most usual first."""
LABELS = ("y", "labels", "label", "targets", "target")
"""Words for their labels."""
UNNAMED = {
    "arr_0": ("train", False),
    "arr_1": ("train", True),
    "arr_2": ("test", False),
    "arr_3": ("test", True),
}
"""What arrays are that `numpy.savez` has numbered: their split, and whether they are labels."""
MIN_IMAGE = 256
"""Features that may be the pixels of an image, if they are as many as a square one has."""
RENAME = "rename them to x_train, y_train, x_val, y_val, x_test, y_test, or images and labels"


class Role(NamedTuple):
    """What an array is by its name."""

    rank: tuple[bool, int]
    """The least is the most usual name for this."""
    split: str
    is_labels: bool


def array_format(names: Mapping[str, str], *, number: bool = False, missing: str | None = None) -> Arrays:
    """Return the settings of the format `arrays`.

    Args:
        names: key of the settings → the array.
        number: whether numbers are learned.
        missing: what stands for a missing label.
    """
    return Arrays(
        kind="arrays",
        train=names["train"],
        train_labels=names.get("train_labels"),
        val=names.get("val"),
        val_labels=names.get("val_labels"),
        test=names.get("test"),
        test_labels=names.get("test_labels"),
        unlabelled=names.get("unlabelled"),
        number=number,
        missing=missing,
        classes=None,
    )


def detect_arrays(root: Path, file: str, arrays: dict[str, str], columns: Columns = UNSAID) -> tuple[Arrays, list[str]]:
    """Detect the roles of arrays by their names, and whether the labels are classes or numbers.

    Args:
        root: the folder of the files.
        file: named in messages.
        arrays: array name → its name in the format's settings.
        columns: what the user says of the labels.

    Returns:
        the format, and notes for the user.

    Raises:
        UserError: the names do not tell which array holds the examples, or it is not clear what the labels are.
    """
    chosen, notes = with_pool(keys_of(file, arrays))
    notes = [*(f"{key.replace('_', ' ')}: {name}" for key, name in chosen.items()), *notes]
    if unused := [name for name in arrays if name not in chosen.values()]:
        notes.append(f"not used: {', '.join(unused)}")
    settings = {key: arrays[name] for key, name in chosen.items()}
    notes += flat_notes(root, settings["train"])
    if "train_labels" not in chosen:
        return array_format(settings), notes
    number = learns_number(root, chosen["train_labels"], settings, columns)
    notes.append(f"learned: {'numbers' if number else 'classes'}")
    return array_format(settings, number=number, missing=columns.missing), notes


def flat_notes(root: Path, name: str) -> list[str]:
    """Return that rows of bytes may be images, if a square one has so many."""
    shape = array_shape(root, name)
    image = square_shape(shape[1]) if len(shape) == 2 and shape[1] >= MIN_IMAGE else None
    if image is None:
        return []
    axes = ", ".join(map(str, image if image[2] > 1 else image[:2]))
    return [f"{shape[1]} features; if each row is an image, save the array as images: x.reshape(-1, {axes})"]


def keys_of(file: str, arrays: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the format's settings, each with its array.

    Raises:
        UserError: no array, or several, can be the examples of train; or several one of the others.
    """
    if len(arrays) == 1:
        return {"train": next(iter(arrays))}
    roles = {name: role for name in arrays if (role := role_of(name, shared_words(arrays)))}
    chosen: dict[str, str] = {}
    for split in ("train", "val", "test", "unlabelled"):
        for is_labels, key in ((False, split), (True, f"{split}_labels")):
            fitting = sorted((role, name) for name, role in roles.items() if role[1:] == (split, is_labels))
            if len(fitting) > 1 and fitting[0][0] == fitting[1][0]:
                raise UserError(f"{file}: {fitting[0][1]} and {fitting[1][1]} may both be `{key}`; remove one of them")
            if fitting:
                chosen[key] = fitting[0][1]
    if "train" not in chosen:
        raise UserError(
            f"{file}: contains the arrays {', '.join(arrays)}, whose names do not say what they are; {RENAME}"
        )
    return chosen


def role_of(name: str, shared: set[str]) -> Role | None:
    """Return what an array is by the words of its name, such as train-images-idx3-ubyte; None if they do not say.

    Args:
        name: of the array.
        shared: words that the names of all arrays have.
    """
    if name in UNNAMED:
        return Role((False, 0), *UNNAMED[name])
    words = words_of(name.replace("t10k", "test"))
    splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    labels, examples = ([word for word in words if word in known] for known in (LABELS, EXAMPLES))
    others = [word for word in words if word not in (*SPLIT_WORDS, *LABELS, *EXAMPLES, "idx", "ubyte")]
    known = all(is_filler(word) or word in shared for word in others)
    if not known or len(splits) > 1 or not (labels or examples):
        return None
    rank = LABELS.index(labels[0]) if labels else EXAMPLES.index(examples[0])
    return Role((not splits, rank), splits[0] if splits else "train", bool(labels))


def with_pool(chosen: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Leave out what cannot be used; examples of val or test without labels become the unlabelled pool.

    Args:
        chosen: key of the settings → array.

    Returns:
        what is used, and notes for the user.
    """
    has_labels = "train_labels" in chosen
    used = {key: name for key, name in chosen.items() if key.removesuffix("_labels") in chosen}
    used.pop("unlabelled_labels", None)
    notes: list[str] = []
    for split in ("val", "test"):
        if split not in used or (f"{split}_labels" in used) == has_labels:
            continue
        name, labels = used.pop(split), used.pop(f"{split}_labels", None)
        if has_labels and "unlabelled" not in used:
            used["unlabelled"] = name
            notes.append(f"{name} has no labels, so its examples are the unlabelled ones that are learned from as well")
        elif labels:
            notes.append(f"{name} is not used: it has labels, and train has none")
    if not has_labels:
        used.pop("unlabelled", None)
    return used, notes


def learns_number(root: Path, name: str, settings: Mapping[str, str], columns: Columns) -> bool:
    """Whether the labels are numbers to learn, and not classes.

    Args:
        root: the folder of the files.
        name: of the labels of train.
        settings: key of the format's settings → array.
        columns: what the user says of the labels.

    Raises:
        UserError: `--target` names something else, or −1 may stand for a missing label.
    """
    if columns.target is not None and columns.target not in (f"{name}=class", f"{name}=number"):
        raise UserError(f"--target={columns.target}: accepted for these arrays: {name}=class and {name}=number")
    if columns.target is not None:
        return columns.target == f"{name}=number"
    with TemporaryDirectory(prefix="sprout-") as folder:
        labels = np.array(open_array(root, settings["train_labels"], Path(folder)))
    if are_numbers(labels, features=len(array_shape(root, settings["train"])) == 2):
        return True
    if columns.missing is None:
        ask_what_is_missing(class_texts(labels, name).unique().drop_null().to_pylist(), name, name)
    return False


def are_numbers(labels: Array, *, features: bool) -> bool:
    """Whether labels are numbers: not whole ones, or those of features with many different values."""
    if labels.dtype.kind not in "iuf" or labels.size != len(labels):
        return False
    values = labels[np.isfinite(labels)]
    return bool((values % 1 != 0).any()) or (features and len(np.unique(values)) > MAX_INTEGER_CLASSES)
