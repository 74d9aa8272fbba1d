"""What a training goes on from after it was killed: where it lies, and that it is whole."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from pytorch_lightning.plugins.io import TorchCheckpointIO

from sprout.core.atomic import whole_file
from sprout.core.errors import one_line
from sprout.core.ranks import rank


def checkpoint_folder(role: str, name: str) -> Path:
    """Where a training of this role and fingerprint keeps what it would go on from.

    Not among a stage's outputs, which DVC deletes before it runs the stage; and in the main workspace
    where DVC runs the stage in a copy of it, as the copy is lost with what it holds.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).absolute() / "build" / "checkpoints" / role / name


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two builds of the same training at once would write one another's checkpoints: the second one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    if rank() > 0:
        yield
        return
    with FileLock(folder / "lock"):
        yield


def resume_from(folder: Path, what: str) -> Path | None:
    """The last checkpoint, if there is one and it can be read; says aloud what is done.

    Args:
        folder: of this very training.
        what: said in front.
    """
    # Ranks come here in any order.
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.ckpt"
    if not last.exists():
        others = [path for path in folder.parent.iterdir() if path != folder]
        if others:
            say(f"{what}: starts anew; {folder.parent} holds what is left of {len(others)} other trainings")
        return None
    try:
        epoch = torch.load(last, map_location="cpu", weights_only=True)["epoch"]
    except Exception as error:  # whatever a torn file makes torch raise
        say(f"{what}: starts anew, as {last} cannot be read ({one_line(error)[:200]})")
        last.unlink()
        return None
    say(f"{what}: goes on after epoch {epoch + 1}, from {last}")
    return last


def say(line: str) -> None:
    """One plain line, by one of all ranks."""
    if rank() == 0:
        print(line, file=sys.stderr, flush=True)


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning writes to the system's temporary folder and moves, which is a copy across file systems."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write beside, then rename."""
        with whole_file(Path(path)) as beside:
            torch.save(checkpoint, beside)
