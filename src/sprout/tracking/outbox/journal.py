"""A run's journal: everything that it says, on disk before it goes to MLflow.

A journal is a folder of the outbox, named by its run's key (time and a random part): `journal.jsonl` (one
record per line), copies of the files that it names, and `sent`, how many bytes of `journal.jsonl` the store
has taken. While a process writes or sends a journal it holds the lock beside it; the system drops that lock
when the process dies, however it dies, and whoever gets it then may send the rest.
"""

import contextlib
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
    """The journal of a run of this process. Safe to write from any thread.

    Every method raises `OSError` where the disk refuses: it is full, or not to be written.
    """

    def __init__(self, outbox: Path) -> None:
        self.key = f"{time.time_ns()}-{uuid.uuid4().hex[:12]}"
        self.folder = outbox / self.key
        self.lock = lock_of(self.folder)
        self._writing = threading.Lock()
        self._file: FileIO | None = None

    def start(self, record: Record) -> None:
        """Make the journal, with its first record; its lock is then held."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.lock.acquire()
        (self.folder / "files").mkdir(parents=True)
        self._file = (self.folder / "journal.jsonl").open("ab", buffering=0)
        self.write({**record, "op": "start", "key": self.key})

    def write(self, record: Record) -> None:
        """Append one record in one system call, so that a kill leaves at most one torn line, the last."""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        with self._writing:
            if self._file is None or self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    def keep(self, path: Path) -> str:
        """Copy a file or a folder into the journal, as it is now; the copy's place within it."""
        place = self._place(path.name)
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, self.folder / place)
        return place

    def keep_text(self, text: str, name: str) -> str:
        """Put a text into the journal as a file; its place within it."""
        place = self._place(name)
        (self.folder / place).write_text(text, encoding="utf-8")
        return place

    def _place(self, name: str) -> str:
        """A new place for a file of that name, which the store will see."""
        folder = f"files/{uuid.uuid4().hex}"
        (self.folder / folder).mkdir()
        return f"{folder}/{name}"

    def close(self) -> None:
        """End writing; the lock stays with whoever sends."""
        with self._writing:
            file, self._file = self._file, None
            if file is not None:
                file.close()


def lock_of(folder: Path) -> FileLock:
    """The lock of a journal, not yet held; one thread takes it and another may release it."""
    return FileLock(folder.with_suffix(".lock"), timeout=0, thread_local=False)


def hold(folder: Path) -> FileLock | None:
    """The lock of a journal, held; None if a living process has it."""
    lock = lock_of(folder)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def discard(folder: Path) -> None:
    """Remove a journal whose records have all been sent; its lock must be held.

    It is renamed first, because half a journal must not look like one.
    """
    if folder.exists():
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}")), ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)


def waiting(outbox: Path) -> list[Path]:
    """The journals in the outbox, oldest first; clears what a kill left of discarded ones."""
    folders = [path for path in outbox.glob("*") if path.is_dir()]  # none where someone has removed it
    for path in folders:
        if path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
    return sorted(path for path in folders if (path / "journal.jsonl").is_file())


def read(folder: Path, offset: int) -> Iterator[tuple[Record, int]]:
    """The records from byte `offset` on, each with the byte behind it; a torn last line does not count."""
    with (folder / "journal.jsonl").open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield json.loads(line), offset


def ended(folder: Path) -> bool:
    """Whether the journal tells how its run ended."""
    return any(record["op"] == "end" for record, _ in read(folder, 0))


def sent(folder: Path) -> int:
    """How many bytes of the journal the store has taken."""
    mark = folder / "sent"
    return int(mark.read_text()) if mark.exists() else 0


def mark_sent(folder: Path, offset: int) -> None:
    """Note that the store has taken the journal up to byte `offset`."""
    beside = folder / "sent.new"
    beside.write_text(str(offset))
    os.replace(beside, folder / "sent")


def count_waiting(outbox: Path) -> int:
    """How many records of all journals in the outbox have not been sent."""
    count = 0
    for folder in waiting(outbox):
        with contextlib.suppress(FileNotFoundError):  # its own process has just sent the last of it
            count += (folder / "journal.jsonl").read_bytes()[sent(folder) :].count(b"\n")
    return count
