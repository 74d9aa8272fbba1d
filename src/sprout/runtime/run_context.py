"""What a training says, and where."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, float]
"""Metrics by name."""
Log = Callable[[Row, int], None]
"""Takes metrics, and the step or the epoch they belong to."""


def log_nothing(metrics: Row, step: int) -> None:
    """Take metrics and do nothing, as ranks above 0 do."""


@dataclass(frozen=True)
class RunContext:
    """One run of a training: its name, its checkpoints, its log. None of it changes the result."""

    name: str
    """Stands before every line on the terminal."""
    checkpoints: Path
    """A folder of this very training: the same inputs, settings and code."""
    log: Log = log_nothing
