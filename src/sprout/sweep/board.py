"""The progress of a sweep: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from optuna.trial import FrozenTrial, Trial
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sprout.runtime.progress import Heartbeat
from sprout.sweep.space import format_value, short_names
from sprout.sweep.trials import REUSED

MAX_ROWS = 20
"""The table shows the latest trials."""


@dataclass
class Row:
    """What is shown of one trial."""

    params: dict[str, Any]
    state: str = "running"
    epoch: str = ""
    values: list[float] = field(default_factory=list)


class Board:
    """Shows the trials of a sweep."""

    def __init__(self, name: str, metrics: list[str], maximize: bool | None, total: int, done: int) -> None:
        """Create a board.

        Args:
            name: the name of the study.
            metrics: the objectives.
            maximize: whether the objective is maximized; None with several objectives, which have no best value.
            total: the total of trials.
            done: how many of them are done already.
        """
        self.name, self.metrics, self.maximize, self.total = name, metrics, maximize, total
        self.done, self.ended_here, self.start = done, 0, time.monotonic()
        self.best: tuple[float, int] | None = None
        self.rows: dict[int, Row] = {}
        self.waiting: list[str] = []
        """Each worker that cannot start yet, and what it is waiting for."""
        console = Console(stderr=True)
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.heartbeat = Heartbeat(self.running)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the block runs; its last state stays on the terminal."""
        with self.live or self.heartbeat:
            try:
                yield
            finally:
                self.show()

    def say(self, line: str) -> None:
        """Print a line, above the table."""
        if self.live:
            self.live.console.print(line, markup=False, highlight=False)
        else:
            self.heartbeat.speak(line)

    def started(self, trial: Trial) -> None:
        """Add a trial that runs."""
        self.rows[trial.number] = Row(dict(trial.params))

    def epoch(self, trial: Trial, epochs: int, last: int, row: Mapping[str, float]) -> None:
        """Update a trial after an epoch."""
        shown = self.rows[trial.number]
        shown.epoch = f"{epochs}/{last}"
        shown.values = [row[metric] for metric in self.metrics if metric in row]

    def ended(self, trial: FrozenTrial, done: int) -> None:
        """Update a trial that is complete or pruned."""
        self.done, self.ended_here = done, self.ended_here + 1
        row = self.rows.setdefault(trial.number, Row(dict(trial.params)))
        row.state = "reused" if trial.user_attrs.get(REUSED) else trial.state.name.lower()
        row.values = list(trial.values or row.values)
        if trial.state.name == "COMPLETE":
            self.update_best(row.values[0], trial.number)
        if not self.live:
            self.say(f"{self.name}: {self.line(trial.number)}; {self.progress()}")

    def failed(self, trial: FrozenTrial, reason: str, again: bool) -> None:
        """Update a trial that has failed."""
        self.rows.setdefault(trial.number, Row(dict(trial.params))).state = "failed"
        self.say(f"{self.name}: {self.line(trial.number)}: {reason}{'; it is tried once more' if again else ''}")

    def update_best(self, value: float, number: int) -> None:
        """Keep the best value, if there is one objective."""
        if self.maximize is not None and (
            self.best is None or (value > self.best[0] if self.maximize else value < self.best[0])
        ):
            self.best = (value, number)

    def line(self, number: int) -> str:
        """Return a trial as one line."""
        row = self.rows[number]
        metrics = [f"{metric} {format_metric(value)}" for metric, value in zip(self.metrics, row.values, strict=False)]
        settings = [f"{path}={format_setting(value)}" for path, value in row.params.items()]
        return "  ".join([f"trial {number} {row.state}", *metrics, *settings])

    def running(self) -> str:
        """Return the running trials and how many are done, as one line."""
        rows = [(number, row.epoch) for number, row in list(self.rows.items()) if row.state == "running"]
        shown = [f"trial {number} epoch {epoch}" if epoch else f"trial {number} starts" for number, epoch in rows]
        return f"{self.name}: {', '.join(shown + self.waiting) or 'workers start'}; {self.progress()}"

    def progress(self) -> str:
        """Return how many trials are done, the best value and the time left."""
        parts = [f"{self.done} of {self.total}"]
        if self.best:
            parts.append(f"best {format_metric(self.best[0])} (trial {self.best[1]})")
        if self.ended_here and self.done < self.total:
            seconds = (time.monotonic() - self.start) / self.ended_here * (self.total - self.done)
            parts.append(f"{timedelta(seconds=round(seconds))} left")
        return ", ".join(parts)

    def show(self) -> None:
        """Draw the table."""
        if self.live:
            self.live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """Return the table of the latest trials."""
        latest = sorted(self.rows)[-MAX_ROWS:]
        paths = list(dict.fromkeys(path for number in latest for path in self.rows[number].params))
        starting = [] if self.rows or self.waiting else ["workers start"]
        title = ", ".join([f"{self.name}: {self.progress()}", *self.waiting, *starting])
        columns = ["trial", "state", "epoch", *self.metrics, *short_names(paths).values()]
        table = Table(*columns, title=title, title_justify="left", min_width=len(title), box=None)
        for number in latest:
            row = self.rows[number]
            values = [format_metric(value) for value in row.values]
            values += [""] * (len(self.metrics) - len(values))
            params = [format_setting(row.params.get(path, "")) for path in paths]
            table.add_row(str(number), row.state, row.epoch, *values, *params, style=self.style(number))
        return table

    def style(self, number: int) -> str:
        """Return the style of a row: the best trial in bold, pruned and failed ones dim."""
        if self.best and number == self.best[1]:
            return "bold"
        return "dim" if self.rows[number].state in ("pruned", "failed") else ""


def format_metric(value: float) -> str:
    """Format a metric in a few characters; a count with all of its digits."""
    return str(int(value)) if value.is_integer() else f"{value:.4g}"


def format_setting(value: Any) -> str:
    """Format a setting in a few characters."""
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)
