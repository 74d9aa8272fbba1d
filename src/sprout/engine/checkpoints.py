"""Checkpoints of a training: where they are, how they are written, and which one a training resumes from."""

import hashlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from filelock import FileLock

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_write, read_json, write_json
from sprout.runtime.launch import rank
from sprout.runtime.workspace import main_workspace

SPENT = "seconds.json"
"""The file beside the checkpoints with the seconds that the training has taken until the last one."""
KEPT = 2
"""How many checkpoints are kept, as the newest may be damaged."""
State = dict[str, Any]
UNFIT = (UserError, RuntimeError, ValueError, KeyError, TypeError, OSError, EOFError, UnpicklingError)
"""The errors of a file that is damaged, of another version or of another training."""


class DamagedError(Exception):
    """The content of a checkpoint is not what was written; the file is removed, as it would count among those kept."""


def checkpoint_folder(role: str) -> Path:
    """The folder for the checkpoints of trainings of this role, each in a folder named by its fingerprint.

    It is no output of a stage, as DVC deletes outputs before it runs a stage. It is in the main workspace even if DVC
    runs the stage in a copy, as the copy is deleted afterwards.
    """
    return main_workspace() / "build" / "checkpoints" / role


def spent_seconds(folder: Path) -> float:
    """The duration of earlier attempts at the training of this folder, each until its last checkpoint."""
    path = folder / SPENT
    return float(read_json(path)) if path.is_file() else 0.0


@contextmanager
def only_one(folder: Path) -> Iterator[bool]:
    """Lock a training, so that of two equal trainings at the same time the second one waits.

    Yields:
        Whether the folder was there: an earlier attempt at the training has not ended well.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_suffix(".lock")  # beside the folder, which the first training removes
    with FileLock(lock):
        began = folder.exists()
        folder.mkdir(exist_ok=True)
        for half_written in folder.glob("*.tmp-new"):
            half_written.unlink()
        try:
            yield began
        finally:
            if not folder.exists():
                lock.unlink(missing_ok=True)  # a waiting process creates a new one


class Checkpoints:
    """The checkpoints of one training, each a file named by its step and its checksum."""

    def __init__(self, folder: Path, name: str) -> None:
        """Take the folder of the training, and the prefix of its messages."""
        self.folder, self.name = folder, name
        # Ranks get here in any order.
        folder.mkdir(parents=True, exist_ok=True)
        self.began, self.earlier = time.monotonic(), spent_seconds(folder)

    def save(self, state: State, step: int) -> Path:
        """Write a checkpoint atomically, remove all but the newest ones, and return the path."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        path = self.folder / f"step-{step:010}-{checksum(content)}.ckpt"
        with atomic_write(path) as beside:
            beside.write_bytes(content)
        with atomic_write(self.folder / SPENT) as beside:
            write_json(beside, self.earlier + time.monotonic() - self.began)
        for old in [each for each in self.found() if each != path][KEPT - 1 :]:
            old.unlink()
        return path

    def found(self) -> list[Path]:
        """The paths of all checkpoints, newest first."""
        return sorted(self.folder.glob("step-*.ckpt"), key=lambda path: (path.name[:15], path.stat().st_mtime_ns))[::-1]

    def restore(self, take: Callable[[State], None]) -> bool:
        """Resume from the newest checkpoint that is undamaged and fits, and print which; False if there is none.

        Args:
            take: takes a state as it was saved; raises an error if the state does not fit.
        """
        found = self.found()
        for path in found:
            try:
                take(self.read(path))
            except DamagedError as error:
                self.say(f"{path} is refused and removed: {error}")
                path.unlink(missing_ok=True)  # another process may have done so
                continue
            except UNFIT as error:
                self.say(f"{path} is refused: {one_line(error)[:200]}")
                continue
            self.say(f"resumes after step {int(path.name[5:15])}, from {path}")
            return True
        others = {path.parent for path in self.folder.parent.glob("*/step-*.ckpt")}
        if found:
            self.say("starts from the beginning, as no checkpoint can be used")
        elif others:
            self.say(f"starts from the beginning; {len(others)} in {self.folder.parent} are of other settings or data")
        return False

    def read(self, path: Path) -> State:
        """The state in a checkpoint.

        Raises:
            DamagedError: the content is not what was written.
        """
        content = path.read_bytes()
        if checksum(content) != path.stem.rpartition("-")[2]:
            raise DamagedError("it is damaged, its checksum differs")
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return state

    def say(self, line: str) -> None:
        """Print a line, on rank 0 alone."""
        if rank() == 0:
            print(f"{self.name}: {line}", file=sys.stderr, flush=True)


def checksum(content: bytes | memoryview) -> str:
    """16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]
