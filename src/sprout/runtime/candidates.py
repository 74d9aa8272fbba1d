"""Finished trainings, kept until DVC has taken what a stage has made of them.

DVC deletes the output of a stage before it runs it again, also where only the process between the stage's end and DVC's
record of it was killed. A stage therefore marks the models that it has used as handed over; a later stage, which DVC
starts after that record, removes them.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from sprout.config.workspace import main_workspace
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json, write_json

STAGES = ("train", "pseudo_label", "control", "retrain", "evaluate", "report")
"""Those that train, and those after them, in DVC's order."""
HANDED = ".handed"
"""Suffix of the file beside a model folder that says which stage of which workspace has used it."""


class Candidate(NamedTuple):
    """A model that a stage may choose."""

    folder: Path
    folds: tuple[Path, ...]
    """With cross-validation the models that have not learned from one fold each."""

    def hand_over(self, stage: str) -> None:
        """Note that a stage of this workspace has written what it has made of the models."""
        for folder in (self.folder, *self.folds):
            with atomic_write(folder.with_name(folder.name + HANDED)) as path:
                write_json(path, {"workspace": str(Path.cwd()), "stage": stage})

    def discard_folds(self) -> None:
        """Remove the models of the folds."""
        for fold in self.folds:
            shutil.rmtree(fold)


def candidate_folder(role: str) -> Path:
    """The folder for finished models among which a stage will choose, each named as its checkpoints are."""
    return main_workspace() / "build" / "candidates" / role


def release_taken(stage: str) -> None:
    """Remove what earlier stages of this workspace have handed over, as DVC starts a stage after it has taken these."""
    if stage not in STAGES:
        return
    for mark in candidate_folder("*").parent.glob(f"*/*{HANDED}"):
        if is_taken(mark, STAGES.index(stage)):
            shutil.rmtree(mark.with_name(mark.name.removesuffix(HANDED)), ignore_errors=True)
            mark.unlink(missing_ok=True)


def is_taken(mark: Path, stage: int) -> bool:
    """Whether this file is of this workspace and of an earlier stage; a damaged one is of no workspace."""
    try:
        record = read_json(mark)
    except UserError:
        return False
    return bool(record["workspace"] == str(Path.cwd()) and STAGES.index(record["stage"]) < stage)
