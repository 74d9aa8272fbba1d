"""The study of a sweep on disk: held by one supervisor, and what an earlier one left of it."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
"""Attributes of a study: what its trials have in common, and the name that no other study has."""
SHOWN = 5


@dataclass(frozen=True)
class Place:
    """Where a study lies, with all that belongs to it."""

    folder: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.name

    @property
    def results(self) -> Path:
        """What workers have found, a file a trial."""
        return self.folder / "results"

    @property
    def logs(self) -> Path:
        """What workers have printed."""
        return self.folder / "logs"

    @property
    def pictures(self) -> Path:
        """How the search went."""
        return self.folder / "pictures"

    @property
    def database(self) -> Path:
        """The storage of Optuna."""
        return self.folder / "study.db"


@contextmanager
def held(root: Path, name: str, fresh: bool) -> Iterator[Place]:
    """The place of the newest study of this name, or of a new one, for this process alone.

    Args:
        root: the folder of all studies.
        name: of the study; later ones of the name are numbered, by what no name holds.
        fresh: whether to begin a new one.

    Raises:
        UserError: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(root / f"{name}.lock", timeout=0), root / f"{name}.holder"
    try:
        lock.acquire()
    except Timeout:
        said = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise UserError(
            f"sweep {name}: {said} is at it; wait for its end, or give this one another name: sweep.name=…"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},", encoding="utf-8")
        number = newest(root, name)
        number += fresh or number == 0
        yield Place(root / (name if number == 1 else f"{name}+{number}"))
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def newest(root: Path, name: str) -> int:
    """The number of the newest study of this name; 0 where there is none."""
    numbers = [path.name.rpartition("+")[2] for path in root.glob(f"{name}+*") if path.is_dir()]
    return max([int((root / name).is_dir()), *(int(number) for number in numbers if number.isdecimal())])


def open_study(place: Place, definition: dict[str, Any], directions: list[Direction]) -> Study:
    """The study at a place, made where it is not there.

    Args:
        place: held by this process.
        definition: what its trials have in common.
        directions: of the objectives.

    Raises:
        UserError: it was begun with another definition, or its file cannot be read.
    """
    for folder in (place.results, place.logs):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        storage = RDBStorage(f"sqlite:///{place.database.absolute()}")
        study = optuna.create_study(study_name=place.name, storage=storage, directions=directions, load_if_exists=True)
    except (DatabaseError, StorageInternalError) as error:
        said = one_line(error.__cause__ or error)
        raise UserError(f"{place.database}: cannot be read: {said[:200]}; begin a new one by --fresh") from None
    if DEFINITION not in study.user_attrs:
        # Results that lie there belong to trials of a study that is lost.
        shutil.rmtree(place.results)
        place.results.mkdir()
        study.set_user_attr(KEY, uuid.uuid4().hex)
        study.set_user_attr(DEFINITION, definition)
    refuse_another(place, study.user_attrs[DEFINITION], definition)
    return study


def refuse_another(place: Place, had: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse to go on with trials that could not be compared with those that are there."""
    before, now = dict(leaves(had)), dict(leaves(given))
    differ = [key for key in before | now if before.get(key) != now.get(key)]
    if differ:
        shown = "; ".join(f"{key} was {written(before.get(key))}, is {written(now.get(key))}" for key in differ[:SHOWN])
        more = f"; and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
        raise UserError(
            f"sweep {place.name}: was begun with something else: {shown}{more}; begin a new one by --fresh, or name it "
            "by sweep.name=…"
        )
