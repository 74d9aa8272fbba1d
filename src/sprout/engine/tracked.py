"""Train as a tracked run: shared by the stages `train` and `retrain`, `sprout train` and the trials of a sweep."""

import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sprout.config.model import MODELS, Model
from sprout.config.results import Tracking
from sprout.config.train import GradientDescent, Training, read_training
from sprout.config.workspace import Build, choice, section
from sprout.data.dataset import Examples
from sprout.data.description import describe
from sprout.data.foreign import ALL_KEPT, Foreign
from sprout.data.store import STORES, open_store
from sprout.engine.checkpoints import checkpoint_folder, only_one, spent_seconds
from sprout.engine.fingerprint import fingerprint, result_name
from sprout.engine.plan import FOLDS, Plan, out_of_fold, plan
from sprout.runtime.candidates import Candidate, candidate_folder, take
from sprout.runtime.checksums import check_sums
from sprout.runtime.files import atomic_folder
from sprout.runtime.launch import is_rank, rank
from sprout.runtime.model_folder import CARD, WEIGHTS
from sprout.runtime.run_context import Log, RunContext
from sprout.tracking import (
    TRIAL_STATE,
    Measured,
    Run,
    RunInfo,
    data_hashes,
    git_state,
    log_results,
    tracked_run,
    tracking_uri,
    trained_on,
)
from sprout.tracking.trial import Reporter, Trial

PREPARED = Path("data/prepared")
FOLD = "fold"
"""The role of the runs of models that have not learned from one fold."""


@dataclass(frozen=True)
class TrainingSections:
    """The sections of the config that a training reads."""

    training: Training
    model: Model
    tracking: Tracking

    @classmethod
    def of(cls, build: Build, name: str) -> "TrainingSections":
        """Read them from a build; `name` is train or retrain."""
        return cls(
            read_training(build, name), choice(build, "model", "name", MODELS), section(build, "tracking", Tracking)
        )


def train_tracked(
    folder: Path,
    examples: Examples,
    sections: TrainingSections,
    build: Build,
    *,
    role: str,
    trial: Trial | None = None,
) -> None:
    """Train into a model folder, as one MLflow run.

    Args:
        folder: the model folder; it appears only after the training has succeeded.
        examples: the examples to train on; those without a target of the task are left out.
        sections: the settings.
        build: the composed config, for the params of the run.
        role: teacher, a run nested under that of the build; or train, a run of its own.
        trial: the trial of a sweep, if the training is one.

    Raises:
        UserError: the data or the settings do not fit.
        Pruned: the sweep has ended the trial.
    """
    planned = plan_final(examples, sections, build, role=role, name=role)
    train_planned(folder, planned, sections.tracking, build, role=role, trial=trial)
    Candidate(folder, planned.folds).discard_folds()


def train_teacher(folder: Path, examples: Examples, sections: TrainingSections, build: Build) -> None:
    """Train the teacher, unless the same training has ended before, and write it into the output of the stage.

    Raises:
        UserError: the data or the settings do not fit.
    """
    candidate = train_candidate(examples, sections, build, role="teacher", name="teacher")
    if rank() > 0:
        return
    with atomic_folder(folder) as beside:
        shutil.copytree(candidate.folder, beside, dirs_exist_ok=True)
    candidate.hand_over("train")


def train_candidate(
    examples: Examples,
    sections: TrainingSections,
    build: Build,
    *,
    role: str,
    name: str,
    foreign: Foreign = ALL_KEPT,
) -> Candidate:
    """Train a model that a stage may choose, unless the same training has ended before.

    Its folder is no output of a stage, as DVC deletes outputs before it runs a stage.

    Args:
        examples: the examples to train on.
        sections: the settings.
        build: the composed config, for the params of the run.
        role: teacher, round, control or student.
        name: of the run.
        foreign: examples of the unlabelled pool that are not learned from.

    Raises:
        UserError: the data or the settings do not fit.
    """
    planned = plan_final(examples, sections, build, role=role, name=name, foreign=foreign)
    return Candidate(trained(planned, sections.tracking, build, role=role, name=name), planned.folds)


def trained(planned: Plan, tracking: Tracking, build: Build, *, role: str, name: str) -> Path:
    """The folder of a planned training among the candidates; it is trained unless it is there."""
    steps = fingerprint_of(planned)
    folder = candidate_folder(role) / result_name(steps, planned.card.role)
    checkpoints = checkpoint_folder(role) / steps
    # The checkpoints are removed when the result is logged.
    if checkpoints.exists() or not (folder.is_dir() if rank() > 0 else taken(folder, name)):
        train_planned(folder, planned, tracking, build, role=role, name=name, candidate=True)
    return folder


def taken(folder: Path, name: str) -> bool:
    """Take a finished model and say so; False if it is not there.

    Raises:
        UserError: it is damaged.
    """
    if not take(folder):
        return False
    check_sums(folder, [CARD, WEIGHTS], "remove the folder, and run the command again to train anew")
    print(f"{name}: was trained before, and is taken from {folder}; to train it again, remove that", file=sys.stderr)
    return True


def plan_final(
    examples: Examples,
    sections: TrainingSections,
    build: Build,
    *,
    role: str,
    name: str,
    foreign: Foreign = ALL_KEPT,
) -> Plan:
    """Plan a training; with cross-validation the models without one fold each are trained first.

    Raises:
        UserError: the data or the settings do not fit.
    """
    folds = describe(PREPARED).folds
    if folds is None:
        return plan(examples, PREPARED, sections.training, sections.model, role, foreign=foreign)
    tracking = replace(sections.tracking, log_model=False)  # they are there to measure
    models = []
    for fold in range(folds):
        planned = plan(examples, PREPARED, sections.training, sections.model, role, fold=fold, foreign=foreign)
        named = f"{name} fold {fold + 1} of {folds}"
        models.append(trained(planned, tracking, build, role=FOLD, name=named))
    results = out_of_fold(models, open_store(PREPARED / "train"))
    planned = plan(examples, PREPARED, sections.training, sections.model, role, out_of_fold=results, foreign=foreign)
    return replace(planned, folds=tuple(models))


def train_planned(
    folder: Path,
    planned: Plan,
    tracking: Tracking,
    build: Build,
    *,
    role: str,
    name: str | None = None,
    trial: Trial | None = None,
    candidate: bool = False,
) -> None:
    """`train_tracked`, for a training that has been planned; `name` is that of the run.

    A candidate is for a stage to choose; one that an equal training has made while this one waited for it is taken.
    """
    checkpoints = (trial.checkpoints if trial else checkpoint_folder(role)) / fingerprint_of(planned)
    if rank() > 0:
        planned.run(folder, RunContext(name or role, checkpoints))
        return
    data, git = data_hashes(Path.cwd(), trained_on(planned.card.role)), git_state(Path.cwd())
    with only_one(checkpoints) as began:
        # Several ranks cannot turn back: the others have begun.
        if candidate and not began and not is_rank() and taken(folder, name or role):
            shutil.rmtree(checkpoints)
            return
        info = RunInfo(build, role, tracking_uri(), data, git, name=name)
        with tracked_run(placed(info, planned.card.role, trial), waits=trial is None) as run:
            context = RunContext(name or role, checkpoints, reporter(run, trial, planned.training))
            seconds = train_timed(folder, planned, context)
            if candidate:
                take(folder)
            if trial:
                trial.keep(folder)
                run.set_tags({TRIAL_STATE: "COMPLETE"})
            if tracking.log_model:
                run.log_model(folder, planned.data.train.take(np.arange(1)))
            run.log_metrics({"training_seconds": seconds})
            log_results(run, folder, Measured(role, str(PREPARED)) if tracking.log_model else None)
        # Only after the result is in place and logged: a process that is killed before resumes from here.
        shutil.rmtree(checkpoints)


def fingerprint_of(planned: Plan) -> str:
    """The fingerprint of a training that has been planned."""
    return fingerprint(planned.training, planned.card, planned.start, planned.data)


def train_timed(folder: Path, planned: Plan, context: RunContext) -> float:
    """Train, and return the seconds that it took, interrupted attempts included."""
    began, earlier = time.monotonic(), spent_seconds(context.checkpoints)
    with atomic_folder(folder) as beside:
        planned.run(beside, context)
        if planned.card.role == "teacher":  # from which students of the same folds start
            for number, fold in enumerate(planned.folds):
                shutil.copytree(fold, beside / FOLDS / str(number))
    return earlier + time.monotonic() - began


def reporter(run: Run, trial: Trial | None, config: Training) -> Log:
    """Where metrics are logged: the run, or the trial, which also reports them to its sweep."""
    if trial is None:
        return run.log_curves
    if not isinstance(config, GradientDescent):
        return Reporter(run, trial, None).log
    return Reporter(run, trial, config.monitor, less_is_better=config.less_is_better).log


def placed(info: RunInfo, role: str, trial: Trial | None) -> RunInfo:
    """The run under its sweep, under that of the build, or on its own; `role` is that of the model."""
    if trial:
        return replace(info, name=trial.name, tags=trial.tags, sweep=trial.sweep)
    return replace(info, nested=role != "train")


def train_beside(folder: Path, build: Build, role: str, trial: Trial | None = None) -> None:
    """Train on the prepared data into a model folder, outside of the pipeline.

    Raises:
        UserError: the data or the settings do not fit.
        Pruned: the sweep has ended the trial.
    """
    train_tracked(folder, Examples.open(*STORES), TrainingSections.of(build, "train"), build, role=role, trial=trial)
