"""Plan a training: find its examples, its model card and its initial weights, and check that they fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.model import Model
from sprout.config.train import Fitting, GradientDescent, Training, learned_task
from sprout.data.dataset import Examples, Measured, TrainingData
from sprout.data.description import describe
from sprout.data.foreign import ALL_KEPT, Foreign
from sprout.data.store import Array, Store, open_store
from sprout.engine.checks import check_examples, check_machine, check_settings
from sprout.engine.dry_run import dry_run
from sprout.engine.initial import StartWeights, initial_card
from sprout.models.card import ModelCard
from sprout.models.predictor import load_predictor
from sprout.runtime.checksums import REMEDY, check_sums, sha256
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.runtime.model_folder import WEIGHTS
from sprout.runtime.progress import waiting
from sprout.runtime.run_context import RunContext
from sprout.tasks.base import Task

PRETRAINED = Path("data/pretrained")
"""The output of the stage `pretrained`."""
TEACHER = Path("models/teacher")
FOLDS = "folds"
"""The folder, in that of the teacher, with the models that have not learned from one fold each."""


@dataclass(frozen=True)
class Plan:
    """A training that has been checked."""

    data: TrainingData
    card: ModelCard
    """The model before training."""
    training: Training
    start: StartWeights | None
    """The weights to start from; None for a random initialisation."""
    folds: tuple[Path, ...] = ()
    """With cross-validation the models that have not learned from one fold each."""

    def run(self, folder: Path, context: RunContext) -> None:
        """Train, and write the model into an empty folder; ranks above 0 write nothing."""
        # Importing Lightning takes seconds, during which no signal is handled: only after all checks.
        if isinstance(self.training, GradientDescent):
            from sprout.engine.train_network import train_network

            train_network(folder, self.data, self.card, self.training, self.start, context)
        else:
            from sprout.engine.fit_estimator import train_estimator

            train_estimator(folder, self.data, self.card, self.training, self.start, context.name)


def plan(
    examples: Examples,
    prepared: Path,
    training: Training,
    model: Model,
    role: str,
    *,
    fold: int | None = None,
    out_of_fold: Array | None = None,
    foreign: Foreign = ALL_KEPT,
) -> Plan:
    """Plan a training, and check it.

    Args:
        examples: the examples to train on; those without a target of the task are left out.
        prepared: the prepared data; its val split picks the best epoch.
        training: the section `train` or `retrain`.
        model: the section `model`.
        role: teacher, round, control, student or train.
        fold: with cross-validation the fold that is held out; the model is measured on it.
        out_of_fold: with cross-validation the results for all training examples, by which the final model is measured.
        foreign: examples of the unlabelled pool that are not learned from.

    Raises:
        UserError: the data or the settings do not fit.
    """
    section, described = "train" if role in ("teacher", "train") else "retrain", describe(prepared)
    task = learned_task(training, model)
    seen = examples if fold is None else examples.without_fold(fold)
    data = TrainingData(
        seen.with_target(task.column),
        None if described.folds else Examples.of(open_store(prepared / "val"), target=task.column),
        pool_of(prepared, foreign, fold) if training.learns_from_pool else None,
        held_out(prepared, task, fold, out_of_fold) if described.folds else None,
    )
    check_examples(prepared, described, data, section=section, task=task, every_class=fold is None)
    settings = task if isinstance(training, Fitting) else training.task
    card = initial_card(described, data.train, settings, training.normalise, model, role)
    start = start_weights(section, training, fold)
    if isinstance(training, GradientDescent):
        check_settings(data.train, section, training, described.folds)
        check_machine(section, training.accelerator, training.precision)
        with waiting("trying a training step"):
            dry_run(card, data.train, section, training, start)
    return Plan(data, card, training, start)


def pool_of(prepared: Path, foreign: Foreign, fold: int | None) -> Examples:
    """The examples of the unlabelled pool that are learned from."""
    pool = open_store(prepared / "unlabelled")
    if not len(foreign.rows(fold)):
        return Examples.of(pool)
    return Examples([(pool, pa.table({"row": foreign.others(len(pool), fold)}))])


def held_out(prepared: Path, task: type[Task], fold: int | None, out_of_fold: Array | None) -> Measured:
    """What a model is measured by with cross-validation: the fold held out, or the results of all folds."""
    train = open_store(prepared / "train")
    if fold is not None:
        train = train.part(np.flatnonzero(train.columns("fold")["fold"].to_numpy() == fold))
    noun = "labels held out" if out_of_fold is None else "cross-validated labels"
    return Measured(Examples.of(train, target=task.column), out_of_fold, noun)


def start_weights(section: str, training: Training, fold: int | None) -> StartWeights | None:
    """The weights to start from; None for a random initialisation.

    Raises:
        UserError: the stage `pretrained` has not run, or there are no weights and the section unfreezes some.
    """
    if isinstance(training, GradientDescent) and training.start == "teacher":
        return teacher_weights(f"{section}.start=teacher", TEACHER if fold is None else TEACHER / FOLDS / str(fold))
    if isinstance(training, GradientDescent) and training.start == "scratch":
        return None
    path = PRETRAINED / "pretrained.json"
    if not path.is_file():
        raise UserError(f"{path}: not found; `dvc repro pretrained` makes it")
    record = read_json(path)
    if record is None and isinstance(training, GradientDescent) and training.unfreeze is not None:
        raise UserError(
            f"{section}.unfreeze: freezes weights that are randomly initialised; set pretrained.source, or null here"
        )
    return None if record is None else pretrained_weights(record["weights"])


def pretrained_weights(checksum: str) -> StartWeights:
    """The weights that the stage `pretrained` has fetched.

    Raises:
        UserError: they are missing, or differ from the checksum that it recorded.
    """
    path = PRETRAINED / WEIGHTS
    found = sha256(path) if path.is_file() else "no file"
    if found != checksum:
        raise UserError(f"{path}: expected SHA-256 {checksum}, found {found}; run `dvc repro pretrained`")
    return StartWeights(PRETRAINED, checksum)


def teacher_weights(key: str, teacher: Path) -> StartWeights:
    """The teacher's weights, with its last layer.

    Raises:
        UserError: the stage `train` has not run, or its weights are damaged.
    """
    path = teacher / WEIGHTS
    if not path.is_file():
        raise UserError(f"{path}: not found, and {key} starts from it; `dvc repro train` makes it")
    check_sums(teacher, [path.name], REMEDY)
    return StartWeights(teacher, sha256(path), key, head=True)


def out_of_fold(models: Sequence[Path], train: Store) -> Array:
    """The results of `Task.examine` for all training examples, each from the model that has not learned from it.

    Args:
        models: of each fold in turn.
        train: the training split.
    """
    folds, parts = train.columns("fold")["fold"].to_numpy(), []
    for fold, folder in enumerate(models):
        predictor, rows = load_predictor(folder), np.flatnonzero(folds == fold)
        parts.append((rows, predictor.task.examine(predictor, train.part(rows), f"fold {fold + 1}")))
    found = np.empty((len(train), *parts[0][1].shape[1:]), np.float32)
    for rows, examined in parts:
        found[rows] = examined
    return found
