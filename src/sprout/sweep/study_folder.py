"""The folder of a sweep's study, and who holds it.

Optuna's storage is a SQLite file in the folder, or a database of PostgreSQL, which outlives the machine. The folder
holds results, logs and pictures in both cases.
"""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DatabaseError

from sprout.runtime.errors import UserError, one_line
from sprout.sweep.study_server import StudyServer

DEFINITION, KEY = "sprout:definition", "sprout:key"
"""User attributes of a study: what all of its trials share, and its unique id."""
KEY_LETTERS = 8
"""Of the id in the name of the folder, where a server keeps the study."""


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study."""

    path: Path
    server: StudyServer | None = None
    """What holds and keeps the study; None for the file in the folder."""
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The unique id of the study; of one in a file that exists, the file has another."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name if self.server is None else self.path.name.rpartition("@")[0]

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
        """Optuna's storage, where it is a file."""
        return self.path / "study.db"

    @property
    def kept(self) -> Path | StudyServer:
        """What keeps the study, for messages."""
        return self.server or self.database

    def storage(self, path: Path | None = None) -> RDBStorage:
        """Return Optuna's storage, which is created if there is none.

        Args:
            path: the folder until it is complete; None for the folder itself.
        """
        if self.server is not None:
            return self.server.storage
        return RDBStorage(f"sqlite:///{((path or self.path) / self.database.name).absolute()}")


@contextmanager
def hold_study(root: Path, name: str, fresh: bool, storage: str | None = None) -> Iterator[StudyFolder]:
    """Hold the newest study of a name, or a new one, for this process alone.

    Args:
        root: the folder of all studies.
        name: of the study; further ones of the same name are numbered after a `+`, which no name contains.
        fresh: whether to start a new one.
        storage: the address of the PostgreSQL that keeps it; None for a file in its folder.

    Yields:
        The folder of the study.

    Raises:
        UserError: another process holds it, or the server cannot be reached.
    """
    root.mkdir(parents=True, exist_ok=True)
    with hold_file(root, name) if storage is None else hold_on_server(storage, name) as server:
        number = newest(root, name, server)
        number += fresh or number == 0
        yield numbered(root, name, number, server)


@contextmanager
def hold_file(root: Path, name: str) -> Iterator[None]:
    """Hold the studies of a name in a folder.

    Raises:
        UserError: another process holds them.
    """
    lock, holder = FileLock(root / f"{name}.lock", timeout=0), root / f"{name}.holder"
    try:
        lock.acquire()
    except Timeout:
        raise held(name, holder.read_text(encoding="utf-8") if holder.is_file() else "another process") from None
    try:
        holder.write_text(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def hold_on_server(uri: str, name: str) -> Iterator[StudyServer]:
    """Hold the studies of a name in PostgreSQL.

    Raises:
        UserError: another process holds them, or there is no connection.
    """
    with closing(StudyServer(uri)) as server:
        if (holder := server.try_hold(name)) is not None:
            raise held(name, holder)
        yield server


def held(name: str, holder: str) -> UserError:
    """Return the error of a study that another process holds."""
    return UserError(f"sweep {name}: held by {holder}; wait for its end, or give this one another name: sweep.name=…")


def numbered(root: Path, name: str, number: int, server: StudyServer | None = None) -> StudyFolder:
    """Return the folder of a study by its number, from 1.

    A server may keep studies of other machines, or of older databases under the same name: their ids tell them apart.
    """
    full = name if number == 1 else f"{name}+{number}"
    if server is None:
        return StudyFolder(root / full)
    key = studies_of(server, name).get(number) or uuid.uuid4().hex
    return StudyFolder(root / f"{full}@{key[:KEY_LETTERS]}", server, key)


def existing(root: Path, name: str, server: StudyServer | None = None) -> StudyFolder:
    """Return the folder of the newest study of a name.

    Raises:
        UserError: there is none.
    """
    if not (number := newest(root, name, server)):
        raise UserError(f"--extend: there is no study {name} yet; leave it out")
    return numbered(root, name, number, server)


def newest(root: Path, name: str, server: StudyServer | None = None) -> int:
    """Return the number of the newest study of a name; 0 if there is none."""
    if server is not None:
        return max(studies_of(server, name), default=0)
    numbers = [path.name.rpartition("+")[2] for path in root.glob(f"{name}+*") if path.is_dir()]
    return max([int((root / name).is_dir()), *(int(number) for number in numbers if number.isdecimal())])


def studies_of(server: StudyServer, name: str) -> dict[int, str]:
    """Return the numbers and ids of the studies of a name, which this process holds.

    One without a definition is removed: its process was killed while it created it.
    """
    found: dict[int, str] = {}
    with readable(server):
        storage = server.storage
        for study in storage.get_all_studies():
            full, _, number = study.study_name.rpartition("+") if study.study_name != name else (name, "", "1")
            if full != name or not number.isdecimal():
                continue
            if DEFINITION in study.user_attrs:
                found[int(number)] = study.user_attrs[KEY]
            else:
                storage.delete_study(study._study_id)
    return found


@contextmanager
def readable(kept: Path | StudyServer) -> Iterator[None]:
    """Say in one line that what keeps a study, a file or a server, cannot be read.

    Raises:
        UserError: instead of the errors of Optuna, SQLAlchemy and SQLite.
    """
    try:
        yield
    except (DatabaseError, StorageInternalError, sqlite3.DatabaseError) as error:
        reason = one_line(error.__cause__ or error)[:200]
        remedy = "restore it from a copy, or start a new study by --fresh"
        if isinstance(kept, StudyServer):
            remedy = "see to the server, then repeat the command; an older study is left aside by --fresh"
        raise UserError(f"{kept}: cannot be read: {reason}; {remedy}") from None
