"""How a process of sprout ends: its exit codes, and that it dies with its parent."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sprout.core.errors import UserError


class Killed(BaseException):
    """A signal asked this process to end; raised in the main thread, wherever it is."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what ends the block into the process's exit code.

    A `UserError` ends with 2 and its one line, a signal with 128 + its number; any other exception
    passes through (Python prints its traceback and ends with 1).
    """
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(signum) != signal.SIG_IGN:  # as under nohup
            signal.signal(signum, raise_killed)
    try:
        yield
    except UserError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except Killed as killed:
        print(f"ended by {killed}", file=sys.stderr)
        sys.exit(128 + killed.signum)


def raise_killed(signum: int, frame: FrameType | None) -> None:
    """Signal handler; the same signal a second time ends the process at once."""
    signal.signal(signum, signal.SIG_DFL)
    raise Killed(signum)


def die_with_parent(seconds: float = 0.5) -> None:
    """End this process by SIGTERM soon after its parent has died.

    Killing `dvc` leaves its stage running; the next `dvc repro` would start a second one beside it.
    PARENT_PID, where it is set, says who the parent was at the start: it may have died during our imports.
    """
    parent = int(os.environ.pop("PARENT_PID", "") or os.getppid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
