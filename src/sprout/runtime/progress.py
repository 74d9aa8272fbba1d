"""Progress of a long step on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Event, Thread, Timer
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
SECONDS = 5.0
"""Between two plain lines."""
SILENCE = 20.0
"""Seconds after which a long step prints a plain line, if none has come."""
BAR_DELAY = 2.0
"""Seconds after which steps that are usually short show a bar."""


def track(steps: Iterable[T], what: str, total: int, *, delay: float = 0.0) -> Iterator[T]:
    """Yield the steps, and show how many are done.

    Args:
        steps: what is worked through.
        what: the description beside the bar.
        total: number of steps.
        delay: seconds before the bar appears.
    """
    if not Console(stderr=True).is_terminal:
        yield from track_by_lines(steps, what, total)
        return
    progress, began = bar(), time.monotonic()
    if not delay:
        progress.start()
    try:
        for step in progress.track(steps, total, task_id=progress.add_task(what, note="")):
            if not progress.live.is_started and time.monotonic() - began >= delay:
                progress.start()
            yield step
    finally:
        if progress.live.is_started:
            progress.stop()


def bar() -> Progress:
    """The bar of all steps, not yet shown; each of its tasks has a text field `note`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", justify="left"),
        console=Console(stderr=True),
    )


def track_by_lines(steps: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield the steps, and print a line every `SECONDS` and at the end; nothing if they take less than that."""
    done = 0
    with Heartbeat(lambda: f"{what}: {done}/{total}") as heartbeat:
        began = heartbeat.spoke_at
        for step in steps:
            if time.monotonic() - heartbeat.spoke_at > SECONDS:
                heartbeat.speak()
            yield step
            done += 1
        if heartbeat.spoke_at > began:
            heartbeat.speak()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that a command is alive while it imports or reads; elsewhere nobody watches."""
    console = Console(stderr=True)
    with console.status(what) if console.is_terminal else nullcontext():
        yield


class Heartbeat:
    """Prints a line where nothing has been said for a while, for a reader without a bar that moves."""

    def __init__(self, line: Callable[[], str]) -> None:
        """Take what returns the line; another thread calls it."""
        self.line, self.spoke_at, self.ended = line, time.monotonic(), Event()
        self.thread = Thread(target=self.run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def end(self) -> None:
        """Print no more."""
        self.ended.set()
        self.thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def speak(self, line: str | None = None) -> None:
        """Print another line, or the own one, and wait from now on."""
        print(self.line() if line is None else line, file=sys.stderr, flush=True)
        self.spoke_at = time.monotonic()

    def run(self) -> None:
        """Speak when it is time."""
        while not self.ended.wait(max(0.0, self.left)):
            if self.left <= 0:
                self.speak()

    @property
    def left(self) -> float:
        """Seconds until it is time."""
        return self.spoke_at + SILENCE - time.monotonic()


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Announce a computation that shows no progress, once it takes long, and its end."""
    began = time.monotonic()
    with Heartbeat(lambda: f"{what}: computing for {time.monotonic() - began:.0f} s") as heartbeat:
        timer = Timer(SECONDS, heartbeat.speak, [f"{what}: computing, no progress until it is done"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
    if (took := time.monotonic() - began) > SECONDS:
        print(f"{what}: done in {took:.0f} s", file=sys.stderr, flush=True)
