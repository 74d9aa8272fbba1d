"""Progress that is silent while a step is short."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console

from sprout.core.progress import bar, plain

T = TypeVar("T")
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
