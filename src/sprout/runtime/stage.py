"""What every stage script runs in: its exit codes, its parent's life and the workspace's lock."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sprout.runtime.launch import is_rank
from sprout.runtime.signals import die_with_parent, exit_codes

LOCK = Path("build/stage.lock")


def run_stage(main: Callable[[], None]) -> None:
    """Run one stage of this workspace, alone, and end with its exit code.

    A stage whose `dvc` was killed ends by itself; the next one waits for its end here.
    """
    with exit_codes():
        die_with_parent()
        with alone():
            main()


def alone() -> AbstractContextManager[Any]:
    """The workspace's lock. A rank runs under the lock of the process that started it."""
    if is_rank():
        return nullcontext()
    LOCK.parent.mkdir(exist_ok=True)
    lock = FileLock(LOCK)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        print(f"{LOCK}: another stage runs in this workspace; waiting for its end", file=sys.stderr)
        return lock.acquire()
