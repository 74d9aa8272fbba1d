"""Progress of a long step: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
SECONDS = 5.0


def track(steps: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Pass the steps on, showing how far they are.

    Args:
        steps: what is worked through.
        what: said beside the bar.
        total: how many steps there are.
    """
    if Console(stderr=True).is_terminal:
        with bar() as progress:
            yield from progress.track(steps, total, task_id=progress.add_task(what, note=""))
    else:
        yield from plain(steps, what, total)


def bar() -> Progress:
    """The bar as all steps show it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", justify="left"),
        console=Console(stderr=True),
    )


def plain(steps: Iterable[T], what: str, total: int) -> Iterator[T]:
    """A line at the first sign of a long step, every few seconds, and at its end."""
    said = time.monotonic()
    told = False
    for done, step in enumerate(steps):
        if time.monotonic() - said > SECONDS:
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)
            said, told = time.monotonic(), True
        yield step
    if told:
        print(f"{what}: {total}/{total}", file=sys.stderr, flush=True)


PATIENCE = 2.0
"""Seconds before there is a bar."""


def track_late(steps: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Pass the steps on; what takes longer shows how far it is. See `progress.track`."""
    if not Console(stderr=True).is_terminal:
        yield from plain(steps, what, total)
        return
    progress, begun, shown = bar(), time.monotonic(), False
    task = progress.add_task(what, total=total, note="")
    try:
        for step in steps:
            yield step
            progress.advance(task)
            if not shown and time.monotonic() - begun > PATIENCE:
                progress.start()
                shown = True
    finally:
        if shown:
            progress.stop()
