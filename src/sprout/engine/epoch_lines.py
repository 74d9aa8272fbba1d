"""Progress of a training: a bar on a terminal, a line per epoch elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import Progress, TaskID

from sprout.engine.train_state import Row
from sprout.runtime.progress import bar

SECONDS = 2.0
LARGE = 1e4


class EpochLines:
    """Shows epochs and their figures; without a terminal at most a line every two seconds."""

    def __init__(self, what: str, epochs: int, quiet: bool) -> None:
        """Say what is trained and for how long; a quiet one says nothing, as ranks above 0 do."""
        self.what, self.epochs, self.quiet, self.said = what, epochs, quiet, 0.0
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    def start(self, steps: int, done: int) -> None:
        """Open the bar."""
        if not self.quiet and Console(stderr=True).is_terminal:
            self.progress = bar()
            self.progress.start()
            self.task = self.progress.add_task(self.what, total=steps, completed=done, note="")

    def step(self, done: int) -> None:
        """Move it."""
        if self.progress and self.task is not None:
            self.progress.update(self.task, completed=done)

    def epoch(self, row: Row) -> None:
        """Say an epoch's figures on val."""
        line = "  ".join(f"{key} {told(value)}" for key, value in row.items() if key.startswith("val_"))
        epoch = int(row["epoch"]) + 1
        if self.progress and self.task is not None:
            self.progress.update(self.task, note=f"epoch {epoch}/{self.epochs}  {line}")
        elif not self.quiet and (time.monotonic() - self.said > SECONDS or epoch == self.epochs):
            print(f"{self.what}: epoch {epoch}/{self.epochs}  {line}", file=sys.stderr, flush=True)
            self.said = time.monotonic()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.progress:
            self.progress.stop()


def told(value: float) -> str:
    """A figure with four decimals, or a number too large for them."""
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:.4g}"
