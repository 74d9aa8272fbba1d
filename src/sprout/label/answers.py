"""Writes what people say of images; the format is that of `data/prepare/answers.py`."""

import csv
import getpass
import io
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from sprout.data.prepare.answers import COLUMNS, Answer, read_answers
from sprout.runtime.errors import UserError, printable
from sprout.runtime.files import atomic_write

LOCK = Path("build/labels.lock")
"""Two servers of one workspace, or a server and an import, write one after the other."""


class AnswerFile:
    """The file of the answers to a source's images. It is replaced as a whole, so that no row is ever half-written."""

    def __init__(self, path: Path) -> None:
        """Take the path; the file need not exist yet."""
        self.path = path
        # In one, as threads share it.
        self._known: tuple[tuple[int, ...] | None, tuple[Answer, ...]] = None, ()

    @property
    def signature(self) -> tuple[int, ...]:
        """Changes with every change of the file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def read(self) -> tuple[Answer, ...]:
        """Return all rows, in order; they are read again only where the file has changed.

        Raises:
            UserError: the file is damaged.
        """
        signature, (known, rows) = self.signature, self._known
        if signature != known:
            rows = tuple(read_answers(self.path))
            self._known = signature, rows
        return rows

    def add(self, make: Callable[[Sequence[Answer]], Sequence[Answer]]) -> Sequence[Answer]:
        """Append rows and return them; they are on disk when this returns.

        Args:
            make: all earlier rows → those to append. Nobody writes in between.

        Raises:
            UserError: the file is damaged; it stays as it is.
            DiskError: the disk does not take it.
        """
        LOCK.parent.mkdir(exist_ok=True)
        with FileLock(LOCK):
            before = self.read()
            rows = make(before)
            if rows:
                self._write(rows)
                self._known = self.signature, (*before, *rows)
        return rows

    def _write(self, rows: Sequence[Answer]) -> None:
        before = self.path.read_bytes() if self.path.is_file() else to_csv([COLUMNS])
        if not before.endswith(b"\n"):
            before += b"\n"
        with atomic_write(self.path) as beside, beside.open("wb") as file:
            file.write(before + to_csv([astuple(row)[: len(COLUMNS)] for row in rows]))
            file.flush()
            os.fsync(file.fileno())


def to_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows as CSV, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def now() -> str:
    """The time in UTC, to the microsecond: it also tells answers to one image apart."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def user_name() -> str:
    """Who answers: git's `user.name`, else the name of the account."""
    command = ["git", "config", "user.name"]
    try:
        name = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        name = ""
    return printable(name or getpass.getuser())


def refuse_read_only(path: Path) -> None:
    """Refuse to begin where no answer can be written.

    Raises:
        UserError: the folder, or the file, is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    places = [path.parent, *([path] if path.exists() else [])]
    if blocked := [place for place in places if not os.access(place, os.W_OK)]:
        raise UserError(f"{blocked[0]}: not writable, and the answers are written there; give yourself the right to")
