"""What one sees of a sweep while it runs: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from optuna.trial import FrozenTrial, Trial
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sprout.sweep.space import last_words, told
from sprout.sweep.trials import AS_BEFORE

SHOWN = 20
"""Rows of the table, at most: the latest trials."""


class Board:
    """Shows the trials of a sweep."""

    def __init__(self, name: str, metrics: list[str], maximize: bool | None, total: int, done: int) -> None:
        """Take what stands at the head.

        Args:
            name: the study's.
            metrics: what is sought.
            maximize: whether more is better; None with several objectives, where no value is the best.
            total: how many trials there shall be.
            done: how many there are already.
        """
        self.name, self.metrics, self.maximize, self.total = name, metrics, maximize, total
        self.done, self.found, self.began = done, 0, time.monotonic()
        self.best: tuple[float, int] | None = None
        self.rows: dict[int, dict[str, Any]] = {}
        self.waiting: set[int] = set()
        console = Console(stderr=True)
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the block runs; it is left as it stands."""
        with self.live or nullcontext():
            try:
                yield
            finally:
                self.show()

    def say(self, line: str) -> None:
        """A line of its own, above the table."""
        if self.live:
            self.live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def begun(self, trial: Trial) -> None:
        """A trial runs."""
        self.waiting.discard(trial.number)
        self.rows[trial.number] = {"state": "running", "epoch": "", "params": dict(trial.params), "values": []}

    def epoch(self, trial: Trial, epochs: int, most: int, row: Mapping[str, float]) -> None:
        """It has come so far, of so many at most."""
        values = [row[metric] for metric in self.metrics if metric in row]
        self.rows[trial.number] |= {"epoch": f"{epochs}/{most}", "values": values}

    def paused(self, trial: Trial) -> None:
        """It waits until it is among the best."""
        self.rows[trial.number] |= {"state": "waiting"}
        self.waiting.add(trial.number)
        if not self.live:
            self.say(f"{self.name}: {self.told(trial.number)}; {self.standing()}")

    def ended(self, trial: FrozenTrial, done: int) -> None:
        """It is complete or pruned."""
        self.waiting.discard(trial.number)
        self.done, self.found = done, self.found + 1
        values = list(trial.values or self.rows.get(trial.number, {}).get("values", []))
        self.rows.setdefault(trial.number, {"epoch": "", "params": dict(trial.params)})
        state = "as before" if trial.user_attrs.get(AS_BEFORE) else trial.state.name.lower()
        self.rows[trial.number] |= {"state": state, "values": values}
        if trial.state.name == "COMPLETE":
            self.note_best(values[0], trial.number)
        if not self.live:
            self.say(f"{self.name}: {self.told(trial.number)}; {self.standing()}")

    def failed(self, trial: FrozenTrial, reason: str, again: bool) -> None:
        """It has failed."""
        self.rows.setdefault(trial.number, {"epoch": "", "params": dict(trial.params), "values": []})
        self.rows[trial.number] |= {"state": "failed"}
        self.say(f"{self.name}: {self.told(trial.number)}: {reason}{'; it is tried once more' if again else ''}")

    def note_best(self, value: float, number: int) -> None:
        """Keep the best value so far, where there is one."""
        if self.maximize is not None and (
            self.best is None or (value > self.best[0] if self.maximize else value < self.best[0])
        ):
            self.best = (value, number)

    def told(self, number: int) -> str:
        """A trial on one line."""
        row = self.rows[number]
        figures = [f"{metric} {figure(value)}" for metric, value in zip(self.metrics, row["values"], strict=False)]
        settings = [f"{path}={short(value)}" for path, value in row["params"].items()]
        return "  ".join([f"trial {number} {row['state']}", *figures, *settings])

    def standing(self) -> str:
        """How far the sweep is."""
        parts = [f"{self.done} of {self.total}"]
        if self.waiting:
            parts.append(f"{len(self.waiting)} waiting")
        if self.best:
            parts.append(f"best {figure(self.best[0])} (trial {self.best[1]})")
        begun, over = self.found + len(self.waiting), self.done + len(self.waiting)
        if begun and over < self.total:
            left = (time.monotonic() - self.began) / begun * (self.total - over)
            parts.append(f"{timedelta(seconds=round(left))} left")
        return ", ".join(parts)

    def show(self) -> None:
        """Draw the table."""
        if self.live:
            self.live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """The latest trials."""
        latest = sorted(self.rows)[-SHOWN:]
        paths = list(dict.fromkeys(path for number in latest for path in self.rows[number]["params"]))
        title = f"{self.name}: {self.standing()}{'' if self.rows else ', workers start'}"
        words = last_words(paths)
        table = Table(
            "trial",
            "state",
            "epoch",
            *self.metrics,
            *words.values(),
            title=title,
            title_justify="left",
            min_width=len(title),
            box=None,
        )
        for number in latest:
            row = self.rows[number]
            values = [figure(value) for value in row["values"]]
            values += [""] * (len(self.metrics) - len(values))
            params = [short(row["params"].get(path, "")) for path in paths]
            table.add_row(str(number), row["state"], row["epoch"], *values, *params, style=self.style(number))
        return table

    def style(self, number: int) -> str:
        """The best trial stands out, and those that came to nothing stand back."""
        if self.best and number == self.best[1]:
            return "bold"
        return "dim" if self.rows[number]["state"] in ("waiting", "pruned", "failed") else ""


def figure(value: float) -> str:
    """A value in a few characters; a count is told in full."""
    return str(int(value)) if value.is_integer() else f"{value:.4g}"


def short(value: Any) -> str:
    """A setting in a few characters."""
    return f"{value:.4g}" if isinstance(value, float) else told(value)
