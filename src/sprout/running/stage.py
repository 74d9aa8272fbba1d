"""What every stage script runs in: its exit codes, its parent's life and the workspace's lock."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sprout.running.signals import die_with_parent, exit_codes

LOCK = Path("build/stage.lock")


@contextmanager
def stage() -> Iterator[None]:
    """Run one stage of this workspace, alone.

    A stage whose `dvc` was killed ends within a second; the next one waits for it here. The ranks of a
    training with several processes run under the lock of the process that started them.
    """
    with exit_codes():
        die_with_parent()
        if "RANK" in os.environ:
            yield
            return
        LOCK.parent.mkdir(exist_ok=True)
        lock = FileLock(LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(f"{LOCK}: another stage runs in this workspace; waiting for its end", file=sys.stderr)
            lock.acquire()
        with lock:
            yield
