"""Arrays of numpy: which of them are the images, which the labels."""

import zipfile
from pathlib import Path
from typing import Any

from sprout.runtime.errors import UserError

USUAL = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("x", "y", "x_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
    ("images", "label", "test_images", "test_label"),
    ("data", "labels", "test_data", "test_labels"),
    ("data", "target", "test_data", "test_target"),
    ("features", "labels", "test_features", "test_labels"),
    ("arr_0", "arr_1", "arr_2", "arr_3"),
)
"""Names of the examples, their labels, and the same of the test part; all but the first may be missing."""

PARTS = {"train": "examples", "train_labels": "labels", "test": "test part", "test_labels": "labels of the test part"}
"""Keys of the form, and what a person calls them."""


def keys(path: Path) -> list[str]:
    """The names of the arrays in an .npz file; none of them is read.

    Raises:
        UserError: it is none.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: not a sound .npz file ({error}); write it anew with numpy.savez") from None
    if not names:
        raise UserError(f"{path}: holds no arrays; write it with numpy.savez")
    return names


def form_of_arrays(
    train: str, train_labels: str | None = None, test: str | None = None, test_labels: str | None = None
) -> dict[str, Any]:
    """The settings of the form `arrays`."""
    parts = {"train": train, "train_labels": train_labels, "test": test, "test_labels": test_labels}
    return {"kind": "arrays", **parts, "classes": None}


def form_of_keys(file: str, there: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The form of arrays by their names.

    Args:
        file: what a person knows it by.
        there: what the arrays are called → how the form names them.

    Raises:
        UserError: their names do not tell which of them are the examples.
    """
    lower = {key.lower(): name for key, name in there.items()}
    usual = next((names for names in USUAL if names[0] in lower and names[1] in lower), None)
    usual = usual or next((names for names in USUAL if names[0] in lower), None)
    if usual is None and len(there) > 1:
        raise UserError(
            f"{file}: holds the arrays {', '.join(there)}, whose names do not say what they are; call them x_train, "
            "y_train, x_test, y_test, or images and labels"
        )
    train, train_labels, test, test_labels = (
        [lower.get(key) for key in usual] if usual else [*there.values(), *3 * [None]]
    )
    if test is not None and (train_labels is None) != (test_labels is None):
        test = test_labels = None
    form = form_of_arrays(str(train), train_labels, test, test_labels)
    said = [f"{part}: {form[key]}" for key, part in PARTS.items() if form[key]]
    unused = [key for key, name in there.items() if name not in form.values()]
    return form, said + ([f"not used: {', '.join(unused)}"] if unused else [])
