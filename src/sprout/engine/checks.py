"""What a training cannot take, said before its first step."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprout.config.augment import moving
from sprout.config.validate import written
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.runtime.errors import UserError

NAMED = 10
"""So many classes are named; of more, the rest is counted."""


def check_trainable(
    prepared: Path, described: Description, train: Examples, val: Examples, *, section: str, kind: str
) -> None:
    """Check that these examples can be trained on.

    Args:
        prepared: the prepared data, named where it is at fault.
        described: what `prepare` says about it.
        train: the training examples, given, augmented and pseudo-labelled, that have what is learned.
        val: the validation examples, likewise.
        section: of the training's settings: train or retrain.
        kind: of the task.

    Raises:
        UserError: the data has something else to learn, or too little of it.
    """
    check_target(prepared, described.target, kind, section)
    if not len(train):
        raise UserError(
            f"{prepared / 'train'}: no example has a label, and {section} learns from labelled ones; label some of "
            f"each class, or choose other data"
        )
    if kind == "classify":
        check_classes(prepared / "train", described.classes, train)
    if not len(val):
        labelled = "labelled example" if kind in ("classify", "regress") else "example"
        raise UserError(f"{prepared / 'val'}: no {labelled}, and {section} is judged there; draw some by prepare.val")


def check_settings(
    train: Examples, *, section: str, task: dict[str, Any], transforms: dict[str, Any], batch_size: int, monitor: str
) -> None:
    """Check that settings of gradient descent fit the examples.

    Args:
        train: the training examples.
        section: train or retrain.
        task: see `settings.train.GradientDescent` for this and all that follow.

    Raises:
        UserError: one does not.
    """
    kind = task["kind"]
    if monitor == "val_accuracy" and kind != "classify":
        raise UserError(f"{section}.monitor=val_accuracy: {kind} has no accuracy; accepted: val_loss")
    if batch_size > len(train):
        raise UserError(
            f"{section}.batch_size={batch_size}: there are {len(train)} training examples; accepted: up to {len(train)}"
        )
    if kind == "cluster" and task["clusters"] > len(train):
        raise UserError(
            f"{section}.task.clusters={task['clusters']}: there are {len(train)} training examples; accepted: up to "
            f"{len(train)}"
        )
    if len(train.shape) == 1:
        if kind == "reconstruct":
            raise UserError(f"{section}.task.kind=reconstruct: the examples are rows of a table; it takes images")
        check_transforms(section, transforms)


def check_machine(section: str, accelerator: str, precision: str) -> None:
    """Check that this machine has what is asked for.

    Args:
        section: train or retrain.
        accelerator: see `settings.train.GradientDescent` for this and the next.

    Raises:
        UserError: it has no such accelerator, or none that computes so.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(accelerator, True):
        raise UserError(f"{section}.accelerator={accelerator}: there is none here; accepted: auto, cpu")
    if precision == "16-mixed" and (accelerator == "cpu" or not any(there.values())):
        raise UserError(f"{section}.precision=16-mixed: needs a GPU; accepted on a CPU: 32-true, 64-true, bf16-mixed")


def check_target(prepared: Path, target: str | None, kind: str, section: str) -> None:
    """Check that the data has what the task learns."""
    if kind == "classify" and target == "number":
        raise UserError(
            f"{prepared}: the target is a number, and {section} learns classes; take train/task=regress, or "
            f"choose data with a class to learn"
        )
    if kind == "regress" and target != "number":
        has = "a class" if target == "class" else "not there"
        raise UserError(
            f"{prepared}: the target is {has}, and {section} learns a number (task.kind=regress); choose data with a "
            f"number to learn, or another train/task"
        )


def check_classes(folder: Path, classes: list[str], train: Examples) -> None:
    """Check that each class has an example to learn from."""
    counts = np.bincount(train.targets, minlength=len(classes))
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
