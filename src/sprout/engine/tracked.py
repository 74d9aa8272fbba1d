"""One tracked training: what the stages `train` and `retrain` and the command `sprout train` share."""

import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from sprout.config.tree import leaves
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.engine.checkpoints import checkpoint_folder, only_one
from sprout.engine.fingerprint import fingerprint
from sprout.engine.plan import plan
from sprout.engine.trial import Reporter, Trial
from sprout.models.card import load_card, write_card
from sprout.runtime.files import atomic_folder, read_json
from sprout.runtime.launch import rank
from sprout.tracking import TRIAL_STATE, data_hashes, git_state, tracked_run, tracking_uri

DATA = ("data/prepared", "data/augmented", "data/pseudo_labels")


def train_tracked(
    folder: Path,
    examples: Examples,
    prepared: Path,
    build: Build,
    *,
    role: str,
    log_model: bool,
    trial: Trial | None = None,
    **settings: Any,
) -> None:
    """Train into a model folder, as one MLflow run.

    Args:
        folder: what is handed on; it is there only when the training has ended well.
        examples: what there is to train on; each task takes those that have what it learns.
        prepared: the prepared data, whose val split picks the best epoch.
        build: the composed config.
        role: teacher or student, nested under the build's run; or train, a run of its own.
        log_model: whether MLflow keeps the model too.
        trial: what it is to a sweep.
        settings: further keyword arguments of `plan`.

    Raises:
        UserError: the data, or settings on such data, are none that can be trained with.
        Paused, Pruned: the sweep has left it.
    """
    planned = plan(examples, prepared, role, **settings)
    name = fingerprint({"card": asdict(planned.card), **planned.settings}, [planned.train, planned.val])
    checkpoints = trial.checkpoints / name if trial else checkpoint_folder(role, name)
    given = (planned.train, planned.val, planned.card)
    if rank() > 0:
        planned.run(folder, *given, checkpoints=checkpoints, log=lambda metrics, step: None, **planned.settings)
        return
    read = DATA if role == "student" else DATA[:2]
    data, git = data_hashes(Path.cwd(), read), git_state(Path.cwd())
    with only_one(checkpoints):
        with tracked_run(build, role, tracking_uri(), data=data, git=git, **place_of(role, trial)) as run:
            log = Reporter(run, trial, settings.get("monitor")).log if trial else run.log_metrics
            began = time.monotonic()
            with atomic_folder(folder) as beside:
                planned.run(beside, *given, checkpoints=checkpoints, log=log, **planned.settings)
            run.log_metrics({"training_seconds": time.monotonic() - began})
            figures = read_json(folder / "metrics.json")
            known = {key: value for key, value in leaves(figures, "") if value is not None}
            run.log_metrics(known, step=max(0, figures["epochs"] - 1))
            if trial:
                trial.keep(folder)
                run.set_tags({TRIAL_STATE: "COMPLETE"})
            if log_model:
                run.log_model(folder, planned.val.take(np.arange(1)))
        # Not before its result is in place and told: whoever is killed until here goes on from there.
        shutil.rmtree(checkpoints)


def place_of(role: str, trial: Trial | None) -> dict[str, Any]:
    """Where the run stands, as keyword arguments of `tracked_run`."""
    if trial:
        return {"name": trial.name, "tags": trial.tags, "sweep": trial.sweep, "waits": False}
    return {"nested": role != "train"}


def keep_teacher(teacher: Path, student: Path) -> None:
    """Without pseudo-labels the student is the teacher, and says so."""
    print("retrain: no pseudo-labels; the teacher is kept as it is", file=sys.stderr)
    with atomic_folder(student) as folder:
        shutil.copytree(teacher, folder, dirs_exist_ok=True)
        write_card(folder, replace(load_card(teacher), role="student", kept="teacher"))
