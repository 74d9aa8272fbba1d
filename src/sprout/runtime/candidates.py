"""Finished trainings, kept until DVC has taken what a stage has made of them.

DVC deletes the output of a stage before it runs it again, also where only the process between the stage's end and DVC's
record of it was killed. A stage therefore notes that it has handed over what it made of a model; a later stage, which
DVC starts after that record, removes the model. Several workspaces may use the same one: it stays until all are done.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from filelock import FileLock

from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json, write_json
from sprout.runtime.workspace import main_workspace

STAGES = ("train", "pseudo_label", "control", "retrain", "evaluate", "report")
"""Those that train, and those after them, in DVC's order."""
USERS = ".users"
"""Suffix of the file beside a model folder that says who uses it."""
Users = dict[str, dict[str, Any]]
"""By workspace, relative to the main one: nothing while a stage uses the model; `stage`, once that has handed over what
it made of the model, and what DVC had `recorded` of the stage until then."""


class Candidate(NamedTuple):
    """A model that a stage may choose."""

    folder: Path
    folds: tuple[Path, ...]
    """With cross-validation the models that have not learned from one fold each."""

    def hand_over(self, stage: str) -> None:
        """Note that a stage of this workspace has written what it has made of the models."""
        with only_user():
            for folder in (self.folder, *self.folds):
                write_user(folder, {"stage": stage, "recorded": recorded(stage)})

    def discard_folds(self) -> None:
        """Remove the models of the folds, unless another workspace uses them."""
        with only_user():
            for fold in self.folds:
                others = read_users(fold)
                others.pop(here(), None)
                remove_unless_used(fold, others)


def candidate_folder(role: str) -> Path:
    """The folder for finished models among which a stage will choose, each named as `fingerprint.result_name` says."""
    return main_workspace() / "build" / "candidates" / role


def take(folder: Path) -> bool:
    """Note that this workspace uses a model, so that no other one removes it; False if the model is not there."""
    with only_user():
        if not folder.is_dir():
            return False
        write_user(folder, {})
        return True


def release_taken(stage: str) -> None:
    """Remove what DVC has taken, now that it begins a stage of this workspace."""
    if stage not in STAGES:
        return
    with only_user():
        for path in candidate_folder("*").parent.glob(f"*/*{USERS}"):
            users = read_users(path.with_suffix(""))
            left = {workspace: handed for workspace, handed in users.items() if not is_taken(workspace, handed, stage)}
            if left != users:
                remove_unless_used(path.with_suffix(""), left)


def is_taken(workspace: str, handed: dict[str, Any], begins: str) -> bool:
    """Whether DVC has taken what a workspace has handed over.

    It has recorded all stages before the one that begins, and that one itself if its record is another one now: then
    it is run again on purpose. A workspace that is gone was a copy that DVC has removed, or has moved elsewhere.

    Args:
        workspace: that uses a model.
        handed: what is noted of it.
        begins: the stage that begins in this workspace.
    """
    stage = handed.get("stage")
    if workspace != here():
        return stage in STAGES[: STAGES.index(begins)] and not is_there(workspace)
    return stage in STAGES[: STAGES.index(begins)] or (stage == begins and handed.get("recorded") != recorded(begins))


def recorded(stage: str) -> str | None:
    """The first 16 digits of the SHA-256 of what `dvc.lock` says of a stage; None where it says nothing."""
    lock = Path("dvc.lock")
    stages = (yaml.load(lock.read_bytes(), yaml.CSafeLoader) or {}).get("stages") if lock.is_file() else None
    found = (stages or {}).get(stage)
    return None if found is None else hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def only_user() -> FileLock:
    """The lock under which models are taken and removed, and their users noted."""
    path = main_workspace() / "build" / "candidates" / "users.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def here() -> str:
    """This workspace, relative to the main one, so that both may be moved together."""
    return os.path.relpath(Path.cwd().resolve(), main_workspace())


def is_there(workspace: str) -> bool:
    """Whether a workspace that uses a model has not been removed or moved."""
    return (main_workspace() / workspace).is_dir()


def read_users(folder: Path) -> Users:
    """Who uses a model; nobody if the file is missing or damaged."""
    try:
        users = read_json(folder.with_name(folder.name + USERS))
    except (FileNotFoundError, UserError):
        return {}
    return {each: by for each, by in users.items() if isinstance(by, dict)} if isinstance(users, dict) else {}


def write_user(folder: Path, handed: dict[str, Any]) -> None:
    """Set what is noted of this workspace among the users of a model."""
    write_users(folder, read_users(folder) | {here(): handed})


def write_users(folder: Path, users: Users) -> None:
    """Write the file beside a model folder."""
    with atomic_write(folder.with_name(folder.name + USERS)) as path:
        write_json(path, users)


def remove_unless_used(folder: Path, users: Users) -> None:
    """Remove a model if none of these workspaces is there any more; else these are its users."""
    if any(map(is_there, users)):
        write_users(folder, users)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + USERS).unlink(missing_ok=True)
