"""What a training shows and logs while it runs: a progress bar or a line per epoch, and metrics of steps."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress, TaskID

from sprout.runtime.progress import Heartbeat, bar
from sprout.runtime.run_context import Log, Row

SECONDS = 2.0
"""Between two lines, at least."""
LARGE = 1e4


class EpochLines:
    """Shows epochs and their metrics; without a terminal at most a line every two seconds, and steps in long epochs."""

    def __init__(self, what: str, epochs: int, quiet: bool) -> None:
        """Take what is trained and for how many epochs; a quiet one shows nothing, as ranks above 0 do."""
        self.what, self.epochs, self.quiet, self.last_time = what, epochs, quiet, 0.0
        self.steps = self.done = 0
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.heartbeat: Heartbeat | None = None

    def start(self, steps: int, done: int) -> None:
        """Open the bar."""
        self.steps, self.done = steps, done
        if self.quiet:
            return
        if not Console(stderr=True).is_terminal:
            self.heartbeat = Heartbeat(lambda: f"{self.what}: step {self.done}/{self.steps}")
            self.heartbeat.start()
            return
        self.progress = bar()
        self.progress.start()
        self.task = self.progress.add_task(self.what, total=steps, completed=done, note="")

    def step(self, done: int) -> None:
        """Move it."""
        self.done = done
        if self.progress and self.task is not None:
            self.progress.update(self.task, completed=done)

    def epoch(self, row: Row) -> None:
        """Show an epoch's metrics on val, or without a validation split on train."""
        shown = [key for key in row if key.startswith("val_")] or [key for key in row if key.startswith("train_")]
        line = "  ".join(f"{key} {decimals(row[key])}" for key in shown)
        epoch = int(row["epoch"])
        if self.progress and self.task is not None:
            self.progress.update(self.task, note=f"epoch {epoch}/{self.epochs}  {line}")
        elif self.heartbeat and (time.monotonic() - self.last_time > SECONDS or epoch == self.epochs):
            self.heartbeat.speak(f"{self.what}: epoch {epoch}/{self.epochs}  {line}")
            self.last_time = time.monotonic()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.progress:
            self.progress.stop()
        if self.heartbeat:
            self.heartbeat.end()


class StepLog:
    """Logs loss and learning rate of some steps, as soon as all micro-batches of a step are known."""

    def __init__(self, log: Log, every: int, micro_batches: int, logged: Sequence[str] = ()) -> None:
        """Take where to log.

        Args:
            log: takes metrics of a step.
            every: how many steps lie between two that are logged; 0 for none.
            micro_batches: in how many a step comes.
            logged: names of the further values of a step.
        """
        self.log, self.every, self.micro_batches, self.logged = log, every, micro_batches, logged
        self.known: list[Sequence[float]] = []

    def add(self, step: int, sums: Sequence[float], lr: float) -> None:
        """Add a micro-batch: sums of loss, metric and further values, then its examples; and the learning rate."""
        if not self.every or step % self.every:
            return
        self.known.append(sums)
        if len(self.known) == self.micro_batches:
            loss, _, *further, count = (sum(column) for column in zip(*self.known, strict=True))
            of_step = dict(zip(("loss", *self.logged), (loss, *further), strict=True))
            self.log({f"step_{key}": value / max(1, count) for key, value in of_step.items()} | {"step_lr": lr}, step)
            self.known.clear()


def decimals(value: float) -> str:
    """A metric with four decimals, or a number too large for them."""
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:.4g}"
