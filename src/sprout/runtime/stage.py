"""How every stage script runs: alone in its workspace, no longer than its parent, with an exit code."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from sprout.runtime.candidates import release_taken
from sprout.runtime.errors import UserError
from sprout.runtime.launch import is_rank
from sprout.runtime.signals import die_with_parent, whole_process
from sprout.runtime.workspace import find_workspace, main_workspace

LOCK = Path("build/stage.lock")
WRITTEN = ("build", "build/downloads", "data", "models", "reports")
"""Where stages write files and folders, each replaced as a whole."""
SCRATCH = Path("build/scratch")
"""Temporary files of the stage that runs."""
PARTS = Path("build/parts")
"""Decoded images of the stage `prepare`. They stay where it is interrupted, so that its next run resumes with them."""
USERS = ("source.tmp-new", "source.tmp-old")
"""What `sprout new` writes beside the stages, in `data/`."""


def run_stage(main: Callable[[], None]) -> None:
    """Run one stage of this workspace under its lock, and end the process with its exit code.

    A stage whose `dvc` was killed ends by itself; the next one waits here until it has. In a folder below the workspace
    it is refused, as its outputs would be written there.
    """
    with whole_process():
        die_with_parent()
        refuse_folder_below()
        refuse_unrecorded(main_workspace())
        with stage_lock():
            if not is_rank():
                remove_half_written()
                release_taken(Path(sys.argv[0]).stem)
            main()


def refuse_folder_below() -> None:
    """Refuse to run in a folder below the workspace.

    Raises:
        UserError: this is one.
    """
    here = Path.cwd()
    workspace = find_workspace(here)
    if workspace not in (None, here):
        raise UserError(f"{here}: is below the workspace, where no stage runs; run this in {workspace}")


def remove_half_written() -> None:
    """Remove what killed stages have left half-written; this one alone runs in the workspace."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    for path in (found for folder in WRITTEN for found in Path(folder).glob("*.tmp-*")):
        if path.name not in USERS and path.name.endswith((".tmp-new", ".tmp-old")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def refuse_unrecorded(workspace: Path) -> None:
    """Refuse to run in a copy of a shallow clone: DVC would remove the copy and record nothing, without a word.

    Raises:
        UserError: the main workspace is a shallow clone, and this is not it.
    """
    if workspace == Path.cwd().resolve():
        return
    command = ["git", "-C", str(workspace), "rev-parse", "--is-shallow-repository"]
    if subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "true":
        raise UserError(
            f"{workspace}: is a shallow clone, and DVC does not record what --temp or --queue build there; run "
            "`git fetch --unshallow` first, or `dvc exp run` without them"
        )


def stage_lock() -> AbstractContextManager[object]:
    """Hold the workspace's lock, and say so while waiting for it. A rank runs under the lock of its starter."""
    if is_rank():
        return nullcontext()
    LOCK.parent.mkdir(exist_ok=True)
    lock = FileLock(LOCK)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        print(f"{LOCK}: another stage runs in this workspace; waiting for its end", file=sys.stderr)
        return lock.acquire()
