"""How a process of sprout ends: its exit codes, at once, and that it dies with its parent."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from sprout.runtime.disk import disk_error
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.launch import has_lost_others, pop_parent_pid, rank, report_rank_error, stage_pid
from sprout.runtime.secrets import hide_in_output

if TYPE_CHECKING:
    import psutil


PATIENCE = 30.0  # seconds
SOON = 0.05  # seconds


class Killed(BaseException):
    """A signal asked this process to end; raised in the main thread, wherever it is."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what ends the block into the process's exit code.

    A `UserError` ends with 2 and its one line, a signal with 128 + its number, a full or read-only disk
    with 1 and one line; any other exception passes through (Python prints its traceback and ends with 1). What the
    process prints has no secrets.
    """
    for signum in ENDING:
        if signal.getsignal(signum) != signal.SIG_IGN:  # as under nohup
            signal.signal(signum, raise_killed)
    hide_in_output()
    hook = sys.unraisablehook
    sys.unraisablehook = partial(send_again, hook)
    try:
        yield
    except UserError as error:
        line = one_line(error)
        print("error:", line, file=sys.stderr)
        report_rank_error(line)
        sys.exit(2)
    except Exception as error:
        if has_lost_others(error):
            print(f"process {rank()}: has lost the connection to another process", file=sys.stderr)
            sys.exit(1)
        found = disk_error(error, None)
        if found is None:
            raise
        print("error:", one_line(found), file=sys.stderr)
        sys.exit(1)
    except Killed as killed:
        if stage_pid() is None:  # else the process that started this rank says it
            print(f"ended by {killed}", file=sys.stderr)
        sys.exit(128 + killed.signum)
    finally:
        sys.unraisablehook = hook
        for signum in ENDING:  # from here on the process only exits, where an exception would be a traceback
            if signal.getsignal(signum) == raise_killed:
                signal.signal(signum, signal.SIG_DFL)


@contextmanager
def whole_process() -> Iterator[None]:
    """As `exit_codes`, around all that a process does: it ends with the block, by `leave`."""
    try:
        with exit_codes():
            yield
    except SystemExit as exit:
        if not isinstance(exit.code, str):
            leave(int(exit.code or 0))
        raise
    leave(0)


def leave(code: int) -> None:
    """End this process as `sys.exit` does, but without freeing all that libraries hold: 2.5 s after a training.

    Threads are waited for, and what is registered for the exit runs. Returns only where the output cannot be
    written, which Python says in its own way when it ends.
    """
    try:
        flush_output()
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        flush_output()
    except OSError:
        return
    os._exit(code)


def flush_output() -> None:
    """Write out what has been printed.

    Raises:
        OSError: it cannot be written.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks a process to end."""


class EndRequest:
    """Whether a signal has asked this process to end."""

    signum: int | None = None

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler; the same signal a second time ends the process at once."""
        signal.signal(signum, signal.SIG_DFL)
        self.signum = signum

    def obey(self) -> None:
        """End, if that was asked."""
        if self.signum is not None:
            raise Killed(self.signum)


@contextmanager
def deferred_signals() -> Iterator[EndRequest]:
    """While the block runs, a signal to end is noted instead of raised: it looks when it can end well.

    Only where signals end by `exit_codes`; a caller with handlers of its own keeps them.
    """
    request = EndRequest()
    ours = [signum for signum in ENDING if signal.getsignal(signum) == raise_killed]
    for signum in ours:
        signal.signal(signum, request.note)
    try:
        yield request
    finally:
        for signum in ours:
            if signum != request.signum:
                signal.signal(signum, raise_killed)
    request.obey()


def raise_killed(signum: int, frame: FrameType | None) -> None:
    """Signal handler; the same signal a second time ends the process at once."""
    signal.signal(signum, signal.SIG_DFL)
    raise Killed(signum)


def send_again(otherwise: "Callable[[sys.UnraisableHookArgs], object]", ignored: "sys.UnraisableHookArgs") -> None:
    """Send a signal again whose exception Python has ignored, as in a callback of the garbage collector or a `__del__`.

    Args:
        otherwise: the hook for any other exception that was ignored.
        ignored: what Python says of it.
    """
    if not isinstance(ignored.exc_value, Killed):
        otherwise(ignored)
        return
    signum = ignored.exc_value.signum
    if signal.getsignal(signum) == signal.SIG_DFL:
        signal.signal(signum, raise_killed)
    # Later, as the callback still runs.
    timer = threading.Timer(SOON, os.kill, (os.getpid(), signum))
    timer.daemon = True
    timer.start()


def die_with_parent(seconds: float = 0.5, parent: int | None = None) -> None:
    """Watch this process's parent in a thread, and end by SIGTERM soon after it has died.

    Killing `dvc` leaves its stage running; the next `dvc repro` would start a second one beside it.

    Args:
        seconds: between two looks at the parent.
        parent: its pid; None takes that of `launch.pop_parent_pid`.
    """
    parent = pop_parent_pid() if parent is None else parent
    starter = stage_of_rank()

    def watch() -> None:
        while os.getppid() == parent and (starter is None or lives(starter)):
            time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGTERM)
        # The handler waits for the main thread, which may be deep in a library that never returns.
        time.sleep(PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def lives(process: "psutil.Process") -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stage_of_rank() -> "psutil.Process | None":
    """The process that started the launcher of this rank; None where this is not one of several ranks.

    Raises:
        Killed: it has died.
    """
    pid = stage_pid()
    if pid is None:
        return None
    import psutil

    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        raise Killed(signal.SIGTERM) from None
