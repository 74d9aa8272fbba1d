"""The study of a sweep on disk: where it lies, who holds it, and what defines it."""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import Study
from sqlalchemy.exc import DatabaseError

from sprout.config.sweep import Direction
from sprout.config.tree import leaves
from sprout.config.validate import written
from sprout.runtime.errors import UserError, one_line

DEFINITION, KEY = "sprout:definition", "sprout:key"
"""User attributes of a study: what all of its trials share, and its unique id."""
MAX_DIFFERENCES = 5
"""Differences listed in a message."""


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study."""

    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    @property
    def results(self) -> Path:
        """The results of trials, one file each."""
        return self.path / "results"

    @property
    def logs(self) -> Path:
        """The output of the workers."""
        return self.path / "logs"

    @property
    def pictures(self) -> Path:
        """The plots of the study."""
        return self.path / "pictures"

    @property
    def database(self) -> Path:
        """Optuna's storage."""
        return self.path / "study.db"


@contextmanager
def hold_study(root: Path, name: str, fresh: bool) -> Iterator[StudyFolder]:
    """Hold the newest study of a name, or a new one, for this process alone.

    Args:
        root: the folder of all studies.
        name: of the study; further ones of the same name are numbered after a `+`, which no name contains.
        fresh: whether to start a new one.

    Yields:
        The folder of the study.

    Raises:
        UserError: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(root / f"{name}.lock", timeout=0), root / f"{name}.holder"
    try:
        lock.acquire()
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise UserError(
            f"sweep {name}: held by {who}; wait for its end, or give this one another name: sweep.name=…"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}", encoding="utf-8")
        number = newest(root, name)
        number += fresh or number == 0
        yield numbered(root, name, number)
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def numbered(root: Path, name: str, number: int) -> StudyFolder:
    """Return the folder of a study by its number, from 1."""
    return StudyFolder(root / (name if number == 1 else f"{name}+{number}"))


def existing(root: Path, name: str) -> StudyFolder:
    """Return the folder of the newest study of a name.

    Raises:
        UserError: there is none.
    """
    if not (number := newest(root, name)):
        raise UserError(f"--extend: there is no study {name} yet; leave it out")
    return numbered(root, name, number)


def newest(root: Path, name: str) -> int:
    """Return the number of the newest study of a name; 0 if there is none."""
    numbers = [path.name.rpartition("+")[2] for path in root.glob(f"{name}+*") if path.is_dir()]
    return max([int((root / name).is_dir()), *(int(number) for number in numbers if number.isdecimal())])


def open_study(folder: StudyFolder, definition: dict[str, Any], directions: list[Direction]) -> Study:
    """Open the study of a folder, or create it.

    Args:
        folder: held by this process.
        definition: what all trials share.
        directions: of the objectives.

    Raises:
        UserError: the study has another definition, its trials are lost, or its file cannot be read.
    """
    for path in (folder.results, folder.logs):
        path.mkdir(parents=True, exist_ok=True)
    study = stored_study(folder, directions)
    with readable(folder):
        if DEFINITION not in study.user_attrs:
            refuse_lost(folder)
            study.set_user_attr(KEY, uuid.uuid4().hex)
            study.set_user_attr(DEFINITION, definition)
        refuse_another(folder, study.user_attrs[DEFINITION], definition)
    return study


def stored_study(folder: StudyFolder, directions: list[Direction]) -> Study:
    """Return the study in the database of a folder, which is created if there is none.

    Raises:
        UserError: it cannot be read.
    """
    with readable(folder):
        refuse_damaged(folder)
        storage = RDBStorage(f"sqlite:///{folder.database.absolute()}")
        return optuna.create_study(study_name=folder.name, storage=storage, directions=directions, load_if_exists=True)


@contextmanager
def readable(folder: StudyFolder) -> Iterator[None]:
    """Say in one line that the file of a study cannot be read.

    Raises:
        UserError: instead of the errors of Optuna, SQLAlchemy and SQLite.
    """
    try:
        yield
    except (DatabaseError, StorageInternalError, sqlite3.DatabaseError) as error:
        reason = one_line(error.__cause__ or error)[:200]
        raise UserError(
            f"{folder.database}: cannot be read: {reason}; restore it from a copy, or start a new study by --fresh"
        ) from None


def refuse_damaged(folder: StudyFolder) -> None:
    """Let SQLite check the structure of the file, if there is one.

    Raises:
        DatabaseError: it is damaged.
    """
    if not folder.database.exists():
        return
    with closing(sqlite3.connect(folder.database)) as connection:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
    if faults != ["ok"]:
        raise sqlite3.DatabaseError(faults[0])


def refuse_lost(folder: StudyFolder) -> None:
    """Refuse to begin anew where results belong to trials of a study that is lost."""
    if lost := len([*folder.results.glob("*.json")]):
        raise UserError(
            f"{folder.database}: empty, though {lost} trials have left results in {folder.results}; restore the file "
            "from a copy, or start a new study by --fresh"
        )


def refuse_another(folder: StudyFolder, definition: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse to add trials that cannot be compared with those of the study."""
    before, now = dict(leaves(definition)), dict(leaves(current))
    differ = [key for key in before | now if before.get(key) != now.get(key)]
    if differ:
        first, rest = differ[:MAX_DIFFERENCES], differ[MAX_DIFFERENCES:]
        shown = "; ".join(f"{key} was {written(before.get(key))}, is {written(now.get(key))}" for key in first)
        more = f"; and {len(rest)} more" if rest else ""
        only_space = all(key.startswith("sweep.space.") for key in differ)
        extend = ", or by --extend with its finished trials that fit" if only_space else ""
        raise UserError(
            f"sweep {folder.name}: has another definition: {shown}{more}; to resume it or adopt from it, repeat "
            f"the overrides that it was started with; else start a new study by --fresh{extend}, or give it another "
            "name by sweep.name=…"
        )
