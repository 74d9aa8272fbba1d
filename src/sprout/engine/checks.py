"""Checks of data, settings and machine before the first step of a training."""

import math
from pathlib import Path

import torch

from sprout.config.train import GradientDescent
from sprout.config.validate import written
from sprout.data.dataset import Examples, TrainingData
from sprout.data.description import Description
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task


def check_examples(
    prepared: Path,
    described: Description,
    data: TrainingData,
    *,
    section: str,
    task: type[Task],
    every_class: bool = True,
) -> None:
    """Check that these examples can be trained on.

    Args:
        prepared: the folder of the prepared data, for messages.
        described: the description of the prepared data.
        data: the examples with a target of the task.
        section: train or retrain.
        task: the task.
        every_class: whether each class needs an example; without a fold one may have none.

    Raises:
        UserError: the data has another target, or too few examples.
    """
    task.check_data(prepared, described, section)
    if not len(data.train):
        raise UserError(
            f"{prepared / 'train'}: no example has a label, and {section} learns from labelled ones; label some of "
            "each class, or choose other data"
        )
    if every_class:
        task.check_labels(prepared, described.classes, data.train)
    if data.pool is not None and not len(data.pool):
        raise UserError(
            f"{prepared / 'unlabelled'}: no example, and {section}.method learns from unlabelled ones too; keep fewer "
            "labels (prepare.labels), or take train/method=supervised"
        )
    if described.folds and not task.cross_validated:
        raise UserError(
            f"prepare.folds={described.folds}: cross-validation is for classes, and {section}.task.kind={task.name} "
            "learns something else; set it to null, and prepare.val to how many to draw"
        )
    if data.val is not None and not len(data.val):
        what = "labelled example" if task.column else "example"
        raise UserError(f"{prepared / 'val'}: no {what}, and {section} is judged there; draw some by prepare.val")


def check_settings(train: Examples, section: str, config: GradientDescent, folds: int | None = None) -> None:
    """Check that the settings fit the training examples, of which one of `folds` is left out.

    Raises:
        UserError: a setting does not fit.
    """
    if config.monitor not in ("val_loss", f"val_{config.task.epoch_metric}"):
        raise UserError(
            f"{section}.monitor={config.monitor}: {config.task.name} has no such metric; accepted: val_loss"
        )
    if config.batch_size > len(train) and config.steps_per_epoch is None:
        raise UserError(
            f"{section}.batch_size={config.batch_size}: there are {len(train)} training examples"
            f"{f' without a fold (prepare.folds={folds})' if folds else ''}; accepted: up to "
            f"{len(train)}, or any with {section}.steps_per_epoch"
        )
    config.task.check(section, train)
    check_transforms(section, config, images=len(train.shape) == 3)
    if config.devices == "auto":  # other numbers are known when the config is composed
        config.method.check_training(section, config.step_settings(math.prod(config.processes)))


def check_transforms(section: str, config: GradientDescent, *, images: bool) -> None:
    """Check that those which are set change such examples; a policy that the method does not use may have others.

    Raises:
        UserError: one does not.
    """
    used = {"transforms", *config.method.policies}
    asked = [
        f"{section}.{policy}.{key}={written(value)}"
        for policy, transforms in config.policies.items()
        for key, value in transforms.unfit(images=images).items()
        if policy in used
    ]
    if not asked:
        return
    them, keys = "it" if len(asked) == 1 else "them", ", ".join(asked)
    if images:
        raise UserError(f"{keys}: changes rows of a table, and the examples are images; set {them} to 0")
    raise UserError(
        f"{keys}: the examples are rows of a table, of which only drop changes entries; set {them} to 0, or take "
        f"train/transforms=none with {section}.method.policy=transforms, or train/transforms@train.weak=none with "
        "train/transforms@train.strong=rows"
    )


def check_machine(section: str, accelerator: str, precision: str) -> None:
    """Check that this machine has the accelerator and supports the precision.

    Raises:
        UserError: it has no such accelerator, or does not support the precision.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(accelerator, True):
        raise UserError(f"{section}.accelerator={accelerator}: there is none here; accepted: auto, cpu")
    if precision == "16-mixed" and (accelerator == "cpu" or not any(available.values())):
        raise UserError(f"{section}.precision=16-mixed: needs a GPU; accepted on a CPU: 32-true, 64-true, bf16-mixed")
