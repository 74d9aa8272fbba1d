"""What a training goes on from after it was ended: where it lies, and that it is whole."""

import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from filelock import FileLock

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_write
from sprout.runtime.launch import rank

KEPT = 2
"""So many of the last ones stay, as the newest may turn out to be damaged."""
State = dict[str, Any]
UNFIT = (UserError, RuntimeError, ValueError, KeyError, TypeError, OSError, EOFError, UnpicklingError)
"""What comes of a file that is damaged, of another make or of another training."""


class DamagedError(Exception):
    """A checkpoint is not what was written; it would count among those that stay."""


def checkpoint_folder(role: str, name: str) -> Path:
    """Where a training of this role and fingerprint keeps what it would go on from.

    Not among a stage's outputs, which DVC deletes before it runs the stage; and in the main workspace
    where DVC runs the stage in a copy of it, as the copy is lost with what it holds.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).absolute() / "build" / "checkpoints" / role / name


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two builds of the same training at once would write one another's checkpoints: the second one waits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_suffix(".lock")  # beside it, as the first one removes the folder
    with FileLock(lock):
        folder.mkdir(exist_ok=True)
        try:
            yield
        finally:
            if not folder.exists():
                lock.unlink(missing_ok=True)  # who waits for it makes a new one


class Checkpoints:
    """The checkpoints of one training: a file each, named by the step and its own checksum."""

    def __init__(self, folder: Path, what: str) -> None:
        """Take the folder of this very training, and what is said in front of a line."""
        self.folder, self.what = folder, what
        # Ranks come here in any order.
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, state: State, step: int) -> Path:
        """Write beside, rename, and let go of older ones."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        path = self.folder / f"step-{step:010}-{checksum(content)}.ckpt"
        with atomic_write(path) as beside:
            beside.write_bytes(content)
        for old in [each for each in self.found() if each != path][KEPT - 1 :]:
            old.unlink()
        return path

    def found(self) -> list[Path]:
        """All, newest first."""
        return sorted(self.folder.glob("step-*.ckpt"), key=lambda path: (path.name[:15], path.stat().st_mtime_ns))[::-1]

    def restore(self, take: Callable[[State], None]) -> bool:
        """Go on from the newest one that is whole and fits; says aloud what is done.

        Args:
            take: takes what `save` was given, or raises what does not fit.
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
            self.say(f"goes on after step {int(path.name[5:15])}, from {path}")
            return True
        others = {path.parent for path in self.folder.parent.glob("*/step-*.ckpt")}
        if found:
            self.say("starts anew, as no checkpoint can be used")
        elif others:
            self.say(f"starts anew; {self.folder.parent} holds what is left of {len(others)} other trainings")
        return False

    def read(self, path: Path) -> State:
        """One checkpoint.

        Raises:
            DamagedError: its content is not what was written.
        """
        content = path.read_bytes()
        if checksum(content) != path.stem.rpartition("-")[2]:
            raise DamagedError("it is damaged, its checksum is another")
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return state

    def say(self, line: str) -> None:
        """One plain line, by one of all ranks."""
        if rank() == 0:
            print(f"{self.what}: {line}", file=sys.stderr, flush=True)


def checksum(content: bytes | memoryview) -> str:
    """16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]
