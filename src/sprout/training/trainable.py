"""What a training cannot take, said before its first step."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.core.errors import UserError
from sprout.core.prepared import Description
from sprout.core.validate import written
from sprout.settings.augment import moving
from sprout.training.batches import Examples

NAMED = 10
"""So many classes are named; of more, the rest is counted."""


def check_trainable(
    prepared: Path, described: Description, train: Examples, val: Examples, *, section: str, transforms: dict[str, Any]
) -> None:
    """Check that a classifier can be trained on these examples.

    Args:
        prepared: the prepared data, named where it is at fault.
        described: what `prepare` says about it.
        train: the training examples, given, augmented and pseudo-labelled.
        val: the validation examples.
        section: of the training's settings: train or retrain.
        transforms: keyword arguments of `augment`.

    Raises:
        UserError: the target is a number, labels are missing, or images' transforms are set for a table.
    """
    if described.target == "number":
        raise UserError(
            f"{prepared}: the target is a number, and {section} learns classes; choose data with a class to learn"
        )
    if not len(train):
        raise UserError(
            f"{prepared / 'train'}: no example has a label, and {section} learns from labelled ones; label some of "
            f"each class, or choose other data"
        )
    check_classes(prepared / "train", described.classes, train)
    if not len(val):
        raise UserError(f"{prepared / 'val'}: no labelled example, and {section} keeps the epoch that does best there")
    if len(train.shape) == 1:
        check_transforms(section, transforms)


def check_classes(folder: Path, classes: list[str], train: Examples) -> None:
    """Check that each class has an example to learn from."""
    counts = np.bincount(train.labels, minlength=len(classes))
    absent = [repr(name) for name, count in zip(classes, counts, strict=True) if not count]
    if absent:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        raise UserError(
            f"{folder}: no labelled example of class {', '.join(absent[:NAMED])}{more}; each of the {len(classes)} "
            f"classes needs some: label them, keep more of the labels (prepare.labels), or leave the class out"
        )


def check_transforms(section: str, transforms: dict[str, Any]) -> None:
    """Check that none is set, as the examples are rows of a table."""
    asked = [f"{section}.transforms.{key}={written(value)}" for key, value in moving(transforms).items()]
    if asked:
        raise UserError(
            f"{', '.join(asked)}: the examples are rows of a table, and transforms change images; "
            f"set {'it' if len(asked) == 1 else 'them'} to 0, or take train/transforms=none"
        )
