"""One tracked training: what the stages `train` and `retrain` and the command `sprout train` share."""

import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from sprout.core.atomic import whole_folder
from sprout.core.build import Build
from sprout.core.prepared import describe
from sprout.core.ranks import rank
from sprout.core.records import read_json
from sprout.core.store import open_store
from sprout.core.tree import leaves
from sprout.models.model_file import load_card, write_card
from sprout.tracking import data_hashes, git_state, tracked_run, tracking_uri
from sprout.training.batches import Examples
from sprout.training.blank import blank_card
from sprout.training.fingerprint import fingerprint
from sprout.training.tasks import TASKS
from sprout.training.trainable import check_trainable
from sprout.training.trial_pass import check_network

DATA = ("data/prepared", "data/augmented", "data/pseudo_labels")


def train_tracked(
    folder: Path,
    examples: Examples,
    prepared: Path,
    build: Build,
    *,
    role: str,
    log_model: bool,
    normalise: str,
    architecture: dict[str, Any],
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
        normalise: how an example's numbers are scaled.
        architecture: the section `model`.
        settings: further keyword arguments of `train_model`.

    Raises:
        UserError: the data, or settings on such data, are none that can be trained with.
    """
    described, section = describe(prepared), "retrain" if role == "student" else "train"
    column = TASKS[settings["task"]["kind"]].column
    train, val = examples.knowing(column), Examples.of(open_store(prepared / "val"), target=column)
    check_trainable(prepared, described, train, val, section=section, **settings)
    card = blank_card(described, train, settings["task"], normalise, architecture, role)
    # A network that does not fit is refused here, before a run begins.
    check_network(card, train, section=section, **settings)
    # Lightning's import takes seconds, in which this process would not yet hear a signal.
    from sprout.training.checkpoints import checkpoint_folder, only_one
    from sprout.training.train_model import train_model

    name = fingerprint({"card": asdict(card), **settings}, [train, val])
    settings["checkpoints"] = checkpoints = checkpoint_folder(role, name)
    if rank() > 0:
        train_model(folder, train, val, card, log=lambda metrics, step: None, **settings)
        return
    read = DATA if role == "student" else DATA[:2]
    data, git = data_hashes(Path.cwd(), read), git_state(Path.cwd())
    with only_one(checkpoints):
        with tracked_run(build, role, tracking_uri(), data=data, git=git, nested=role != "train") as run:
            with whole_folder(folder) as beside:
                train_model(beside, train, val, card, log=run.log_metrics, **settings)
            figures = read_json(folder / "metrics.json")
            run.log_metrics(dict(leaves(figures, "")), step=figures["epochs"] - 1)
            if log_model:
                run.log_model(folder, val.take(np.arange(1)))
        # Not before its result is in place and told: whoever is killed until here goes on from there.
        shutil.rmtree(checkpoints)


def keep_teacher(teacher: Path, student: Path) -> None:
    """Without pseudo-labels the student is the teacher, and says so."""
    print("retrain: no pseudo-labels; the teacher is kept as it is", file=sys.stderr)
    with whole_folder(student) as folder:
        shutil.copytree(teacher, folder, dirs_exist_ok=True)
        write_card(folder, replace(load_card(teacher), role="student", kept="teacher"))
