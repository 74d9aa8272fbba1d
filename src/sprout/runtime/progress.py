"""Progress of a long step on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
SECONDS = 5.0
"""Between two plain lines."""
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
    printed_at, printed = time.monotonic(), False
    for done, step in enumerate(steps):
        if time.monotonic() - printed_at > SECONDS:
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)
            printed_at, printed = time.monotonic(), True
        yield step
    if printed:
        print(f"{what}: {total}/{total}", file=sys.stderr, flush=True)


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Announce a computation that shows no progress, once it takes long, and its end."""
    began = time.monotonic()
    line = f"{what}: computing, no progress until it is done"
    timer = Timer(SECONDS, print, [line], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if (took := time.monotonic() - began) > SECONDS:
        print(f"{what}: done in {took:.0f} s", file=sys.stderr, flush=True)
