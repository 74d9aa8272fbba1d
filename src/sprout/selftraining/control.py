"""The control: what the student's further steps would give on labels alone."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from sprout.config.control import Control
from sprout.config.train import GradientDescent, learned_task
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.foreign import Foreign
from sprout.engine.checks import check_settings
from sprout.engine.tracked import TrainingSections, train_candidate
from sprout.methods import Supervised
from sprout.methods.base import Policy
from sprout.models.card import OUT_OF_FOLD
from sprout.runtime.files import atomic_folder, read_json, read_rows, write_json
from sprout.runtime.launch import rank
from sprout.runtime.model_folder import CARD

RECORD = "control.json"
MEASURED = {"val_loss": "log_loss", "val_accuracy": "accuracy"}
"""The metric of a finished classifier for each metric that trainings monitor."""


def make_control(
    folder: Path, labelled: Examples, pseudo_labels: int, sections: TrainingSections, control: Control, build: Build
) -> None:
    """Train a control with each augmentation policy, and write the best on val into a folder.

    Args:
        folder: the output of the stage.
        labelled: the training examples with true labels, and their augmented copies.
        pseudo_labels: how many more the student learns from.
        sections: the student's settings.
        control: the section.
        build: the composed config.

    Raises:
        UserError: the student's settings do not fit the examples.
    """
    config = sections.training
    assert isinstance(config, GradientDescent)
    # Before hours of training: what the student cannot learn needs no rival.
    check_settings(labelled.with_target(config.task.column), "retrain", config)
    steps = config.steps_per_epoch or -(-(len(labelled) + pseudo_labels) // config.batch_size)
    tracking = replace(sections.tracking, log_model=False)  # it is there for comparison
    tried = {
        policy: train_candidate(
            labelled,
            replace(sections, training=control_settings(config, policy, steps), tracking=tracking),
            build,
            role="control",
            name=f"control {policy}",
        )
        for policy in policies_for(labelled, control, config)
    }
    if rank() > 0:
        return
    values = {policy: best_value(each.folder, config.monitor) for policy, each in tried.items()}
    best = (min if config.less_is_better else max)(tried, key=lambda policy: values[policy])
    with atomic_folder(folder) as beside:
        shutil.copytree(tried[best].folder, beside, dirs_exist_ok=True)
        write_json(beside / RECORD, {"policy": best, config.monitor: values})
    for each in tried.values():
        each.hand_over("control")
    where = "in cross-validation" if tried[best].folds else "on val"
    print(f"control: of {', '.join(tried)} the best augmentation {where} is {best}", file=sys.stderr)


def policies_for(labelled: Examples, control: Control, config: GradientDescent) -> list[Policy]:
    """The policies to try: those that fit such examples, and of several with the same transforms the first."""
    images = len(labelled.shape) == 3
    fitting = [policy for policy in control.policies if not config.policies[policy].unfit(images=images)]
    first = {config.policies[policy]: policy for policy in reversed(fitting)}
    return list(dict.fromkeys(first[config.policies[policy]] for policy in fitting)) or ["transforms"]


def write_untrained(folder: Path, why: str) -> None:
    """Write a folder without a model, and print why."""
    print(f"control: not trained, as {why}", file=sys.stderr)
    with atomic_folder(folder) as beside:
        write_json(beside / RECORD, {"why": why})


def is_trained(folder: Path) -> bool:
    """Whether the folder of the stage holds a model."""
    return (folder / CARD).exists()


def best_value(model: Path, monitor: str) -> float:
    """The monitored metric of a model folder: at its best epoch, or with cross-validation over all labels."""
    metrics = read_json(model / "metrics.json")
    if (model / OUT_OF_FOLD).exists():
        return float(metrics["val"][MEASURED[monitor]])
    return float(read_rows(model / "history.csv")[metrics["best_epoch"] - 1][monitor])


def why_untrained(
    sections: TrainingSections, control: Control, pseudo_labels: int, pool: int, foreign: Foreign
) -> str | None:
    """Why there is no control; None where there is one.

    Args:
        sections: the student's settings.
        control: the section.
        pseudo_labels: how many were accepted.
        pool: how many unlabelled examples there are.
        foreign: those that are not learned from.
    """
    if not control.train:
        return "control.train is false"
    if not isinstance(sections.training, GradientDescent):
        return "scikit-learn's models take no steps"
    return nothing_to_learn(sections, pseudo_labels, pool, foreign)


def nothing_to_learn(sections: TrainingSections, pseudo_labels: int, pool: int, foreign: Foreign) -> str | None:
    """Why the student would learn from no more than the teacher did; None where it learns from more.

    Args:
        sections: of the student.
        pseudo_labels: how many were accepted.
        pool: how many unlabelled examples there are.
        foreign: those that are not learned from.
    """
    if not learned_task(sections.training, sections.model).has_pseudo_labels:
        return "its task has no pseudo-labels"
    if not pool:
        return "there are no unlabelled examples"
    if not len(foreign.others(pool)):
        return "all unlabelled examples look unlike the labels (pseudo_label.foreign=keep learns from them)"
    return None if pseudo_labels or sections.training.learns_from_pool else "there are no pseudo-labels"


def control_settings(config: GradientDescent, policy: Policy, steps_per_epoch: int) -> GradientDescent:
    """The student's settings, for supervised training of as many steps."""
    return replace(config, method=Supervised.by(policy), steps_per_epoch=steps_per_epoch)
