"""How every stage script runs: alone in its workspace, no longer than its parent, with an exit code."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from sprout.runtime.errors import UserError
from sprout.runtime.launch import is_rank, main_workspace
from sprout.runtime.signals import die_with_parent, exit_codes

LOCK = Path("build/stage.lock")


def run_stage(main: Callable[[], None]) -> None:
    """Run one stage of this workspace under its lock, and end the process with its exit code.

    A stage whose `dvc` was killed ends by itself; the next one waits here until it has.
    """
    with exit_codes():
        die_with_parent()
        refuse_unrecorded(main_workspace())
        with stage_lock():
            main()


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
