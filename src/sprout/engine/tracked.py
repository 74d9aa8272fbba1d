"""Train as a tracked run: shared by the stages `train` and `retrain`, `sprout train` and the trials of a sweep."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sprout.config.model import MODELS, Model
from sprout.config.results import Tracking
from sprout.config.train import GradientDescent, Training, read_training
from sprout.config.tree import leaves
from sprout.config.workspace import Build, choice, section
from sprout.data.dataset import Examples
from sprout.data.store import STORES
from sprout.engine.checkpoints import candidate_folder, checkpoint_folder, only_one
from sprout.engine.fingerprint import fingerprint
from sprout.engine.plan import Plan, plan
from sprout.models.card import load_card, write_card
from sprout.runtime.files import atomic_folder, read_json
from sprout.runtime.launch import rank
from sprout.runtime.run_context import Log, RunContext
from sprout.tracking import TRIAL_STATE, Run, RunInfo, data_hashes, git_state, tracked_run, tracking_uri, trained_on
from sprout.tracking.trial import Reporter, Trial

PREPARED = Path("data/prepared")


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

    @property
    def learns_from_pool(self) -> bool:
        """Whether the method itself uses unlabelled examples."""
        return isinstance(self.training, GradientDescent) and self.training.method.learns_from_pool


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
        role: teacher or student, a run nested under that of the build; or train, a run of its own.
        trial: the trial of a sweep, if the training is one.

    Raises:
        UserError: the data or the settings do not fit.
        Pruned: the sweep has ended the trial.
    """
    planned = plan(examples, PREPARED, sections.training, sections.model, role)
    train_planned(folder, planned, sections.tracking, build, role=role, trial=trial)


def train_candidate(examples: Examples, sections: TrainingSections, build: Build, *, role: str, name: str) -> Path:
    """Train a model that a stage may choose, unless the same training has ended before; return its folder.

    The folder is no output of a stage, as DVC deletes outputs before it runs a stage.

    Args:
        examples: the examples to train on.
        sections: the settings.
        build: the composed config, for the params of the run.
        role: student or control.
        name: of the run.

    Raises:
        UserError: the data or the settings do not fit.
    """
    planned = plan(examples, PREPARED, sections.training, sections.model, role)
    folder = candidate_folder(role) / fingerprint_of(planned)
    if not folder.is_dir():
        train_planned(folder, planned, sections.tracking, build, role=role, name=name)
    return folder


def train_planned(
    folder: Path,
    planned: Plan,
    tracking: Tracking,
    build: Build,
    *,
    role: str,
    name: str | None = None,
    trial: Trial | None = None,
) -> None:
    """`train_tracked`, for a training that has been planned; `name` is that of the run."""
    checkpoints = (trial.checkpoints if trial else checkpoint_folder(role)) / fingerprint_of(planned)
    if rank() > 0:
        planned.run(folder, RunContext(role, checkpoints))
        return
    data, git = data_hashes(Path.cwd(), trained_on(role)), git_state(Path.cwd())
    with only_one(checkpoints):
        info = RunInfo(build, role, tracking_uri(), data, git, name=name)
        with tracked_run(placed(info, trial), waits=trial is None) as run:
            context = RunContext(role, checkpoints, reporter(run, trial, planned.training))
            train_and_log(folder, planned, context, run)
            if trial:
                trial.keep(folder)
                run.set_tags({TRIAL_STATE: "COMPLETE"})
            if tracking.log_model:
                run.log_model(folder, planned.data.val.take(np.arange(1)))
        # Only after the result is in place and logged: a process that is killed before resumes from here.
        shutil.rmtree(checkpoints)


def fingerprint_of(planned: Plan) -> str:
    """The fingerprint of a training that has been planned."""
    return fingerprint(planned.training, planned.card, planned.start, planned.data)


def train_and_log(folder: Path, planned: Plan, context: RunContext, run: Run) -> None:
    """Train, and log the duration and the metrics on val."""
    began = time.monotonic()
    with atomic_folder(folder) as beside:
        planned.run(beside, context)
    run.log_metrics({"training_seconds": time.monotonic() - began})
    metrics = read_json(folder / "metrics.json")
    known = {key: value for key, value in leaves(metrics, "") if value is not None}
    run.log_metrics(known, step=max(0, metrics["epochs"] - 1))


def reporter(run: Run, trial: Trial | None, config: Training) -> Log:
    """Where metrics are logged: the run, or the trial, which also reports them to its sweep."""
    if trial is None:
        return run.log_metrics
    if not isinstance(config, GradientDescent):
        return Reporter(run, trial, None).log
    return Reporter(run, trial, config.monitor, less_is_better=config.less_is_better).log


def placed(info: RunInfo, trial: Trial | None) -> RunInfo:
    """The run under its sweep, under that of the build, or on its own."""
    if trial:
        return replace(info, name=trial.name, tags=trial.tags, sweep=trial.sweep)
    return replace(info, nested=info.role != "train")


def train_beside(folder: Path, build: Build, role: str, trial: Trial | None = None) -> None:
    """Train on the prepared data into a model folder, outside of the pipeline.

    Raises:
        UserError: the data or the settings do not fit.
        Pruned: the sweep has ended the trial.
    """
    train_tracked(folder, Examples.open(*STORES), TrainingSections.of(build, "train"), build, role=role, trial=trial)


def hand_on(model: Path, student: Path, kept: str | None) -> None:
    """Copy a model folder as the student; `kept` names another model that takes the student's place."""
    with atomic_folder(student) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        write_card(folder, replace(load_card(model), role="student", kept=kept))
