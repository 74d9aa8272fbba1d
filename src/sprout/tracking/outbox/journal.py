"""A run's journal: all of its records, on disk before they go to MLflow.

A journal is a folder of the outbox named by its run's key (time and a random part). It holds `journal.jsonl` (one
record per line), copies of the files that the records name, and `sent`, the number of bytes of `journal.jsonl` that the
store has taken. A process that writes or sends a journal holds the lock beside it. The system releases the lock when
the process dies; the process that acquires it then may send the rest.
"""

import errno
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

Record = dict[str, Any]


class Journal:
    """Writes the journal of a run of this process, from any thread.

    Every method raises `OSError` if the disk is full or cannot be written to.
    """

    def __init__(self, outbox: Path) -> None:
        self.key = f"{time.time_ns()}-{uuid.uuid4().hex[:12]}"
        self.folder = outbox / self.key
        self.lock = _lock_of(self.folder)
        self._writing = threading.Lock()
        self._file: FileIO | None = None

    def start(self, record: Record) -> None:
        """Create the journal with its first record, and hold its lock from then on."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.lock.acquire()
        (self.folder / "files").mkdir(parents=True)
        self._file = (self.folder / "journal.jsonl").open("ab", buffering=0)
        self.write({**record, "op": "start", "key": self.key})

    def write(self, record: Record) -> None:
        """Append a record in one system call, so that a kill can tear the last line alone."""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        with self._writing:
            if self._file is None or self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    def keep(self, path: Path) -> str:
        """Copy a file or a folder into the journal, and return the copy's path within it."""
        place = self._new_place(path.name)
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, self.folder / place)
        return place

    def keep_text(self, text: str, name: str) -> str:
        """Write a text into the journal as a file of this name, and return its path within it."""
        place = self._new_place(name)
        (self.folder / place).write_text(text, encoding="utf-8")
        return place

    def _new_place(self, name: str) -> str:
        """A path for a file; the name is what the store will show."""
        folder = f"files/{uuid.uuid4().hex}"
        (self.folder / folder).mkdir()
        return f"{folder}/{name}"

    def close(self) -> None:
        """Stop writing; the sender still holds the lock."""
        with self._writing:
            file, self._file = self._file, None
            if file is not None:
                file.close()


def waiting_journals(outbox: Path) -> list[Path]:
    """The journals in the outbox, oldest first; what a kill left of discarded ones is removed."""
    folders = [path for path in outbox.glob("*") if path.is_dir()]  # empty if there is no outbox
    for path in folders:
        if path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
    return sorted(path for path in folders if (path / "journal.jsonl").is_file())


def count_waiting(outbox: Path) -> int:
    """The number of records in the outbox that have not been sent."""
    return sum(map(count_unsent, waiting_journals(outbox)))


def count_unsent(folder: Path) -> int:
    """The number of records of a journal that have not been sent; 0 if its own process has just sent the last."""
    try:
        return (folder / "journal.jsonl").read_bytes()[sent_bytes(folder) :].count(b"\n")
    except FileNotFoundError:
        return 0


def try_lock(folder: Path) -> FileLock | None:
    """Acquire a journal's lock; None if a living process holds it."""
    lock = _lock_of(folder)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _lock_of(folder: Path) -> FileLock:
    """A journal's lock, not acquired; one thread may acquire it and another release it."""
    return FileLock(folder.with_suffix(".lock"), timeout=0, thread_local=False)


def read_records(folder: Path, offset: int) -> Iterator[tuple[Record, int]]:
    """The records from byte `offset` on, each with the offset behind it; a torn last line is left out."""
    with (folder / "journal.jsonl").open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield json.loads(line), offset


def has_end(folder: Path) -> bool:
    """Whether the journal records how its run ended."""
    return any(record["op"] == "end" for record, _ in read_records(folder, 0))


def sent_bytes(folder: Path) -> int:
    """The number of bytes of the journal that the store has taken."""
    mark = folder / "sent"
    return int(mark.read_text()) if mark.exists() else 0


def mark_sent(folder: Path, offset: int) -> None:
    """Note that the store has taken the journal up to byte `offset`."""
    beside = folder / "sent.new"
    beside.write_text(str(offset))
    os.replace(beside, folder / "sent")


def forget_sent(folder: Path) -> None:
    """Let the journal be sent from its beginning, as its store does not know it."""
    (folder / "sent").unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove a journal that has been sent; the caller holds its lock.

    It is renamed first, so that a half-removed one is not taken for a journal.
    """
    if folder.exists():
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}")), ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
