"""Detect which NumPy arrays are the examples and which are the labels."""

import zipfile
from pathlib import Path

from sprout.config.formats import Arrays
from sprout.runtime.errors import UserError

USUAL_NAMES = (
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
"""Names of the examples, their labels, and the same of the test split; all but the first may be missing."""

ROLES = ("examples", "labels", "test split", "labels of the test split")


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file, without reading the arrays.

    Raises:
        UserError: it is not an .npz file, or is empty.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: not a valid .npz file ({error}); write it again with numpy.savez") from None
    if not names:
        raise UserError(f"{path}: contains no arrays; write it with numpy.savez")
    return names


def arrays_format(
    train: str, train_labels: str | None = None, test: str | None = None, test_labels: str | None = None
) -> Arrays:
    """Return the settings of the format `arrays`."""
    return Arrays(
        kind="arrays", train=train, train_labels=train_labels, test=test, test_labels=test_labels, classes=None
    )


def detect_arrays(file: str, arrays: dict[str, str]) -> tuple[Arrays, list[str]]:
    """Detect the roles of arrays by their names.

    Args:
        file: named in messages.
        arrays: array name → its name in the format's settings.

    Returns:
        the format, and notes for the user.

    Raises:
        UserError: the names do not tell which array holds the examples.
    """
    lower = {name.lower(): setting for name, setting in arrays.items()}
    usual = next((names for names in USUAL_NAMES if names[0] in lower and names[1] in lower), None)
    usual = usual or next((names for names in USUAL_NAMES if names[0] in lower), None)
    if usual is None and len(arrays) > 1:
        raise UserError(
            f"{file}: contains the arrays {', '.join(arrays)}, whose names do not say what they are; rename them to "
            "x_train, y_train, x_test, y_test, or images and labels"
        )
    settings = [lower.get(name) for name in usual] if usual else [*arrays.values(), None, None, None]
    train, train_labels, test, test_labels = settings
    if test is not None and (train_labels is None) != (test_labels is None):
        test = test_labels = None
    used = (train, train_labels, test, test_labels)
    notes = [f"{role}: {name}" for role, name in zip(ROLES, used, strict=True) if name]
    unused = [name for name, setting in arrays.items() if setting not in used]
    detected = arrays_format(str(train), train_labels, test, test_labels)
    return detected, notes + ([f"not used: {', '.join(unused)}"] if unused else [])
