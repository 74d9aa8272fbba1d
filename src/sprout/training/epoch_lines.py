"""Progress of a training: a bar on a terminal, a line per epoch elsewhere."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import Progress, TaskID

from sprout.core.progress import bar

SECONDS = 2.0


class EpochLines(pl.Callback):
    """Show epochs and their figures; without a terminal at most a line every two seconds."""

    def __init__(self, what: str) -> None:
        """Say what is trained."""
        self.what, self.said = what, 0.0
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        if trainer.is_global_zero and Console(stderr=True).is_terminal:
            self.progress = bar()
            self.progress.start()
            steps = int(trainer.estimated_stepping_batches)
            self.task = self.progress.add_task(self.what, total=steps, completed=trainer.global_step, note="")

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Move it."""
        if self.progress and self.task is not None:
            self.progress.update(self.task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say the epoch's figures."""
        figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
        line = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs
        if self.progress and self.task is not None:
            self.progress.update(self.task, note=f"epoch {epoch}/{epochs}  {line}")
        elif trainer.is_global_zero and (time.monotonic() - self.said > SECONDS or epoch == epochs):
            print(f"{self.what}: epoch {epoch}/{epochs}  {line}", file=sys.stderr, flush=True)
            self.said = time.monotonic()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self.close()

    def close(self) -> None:
        """Stop drawing."""
        if self.progress:
            self.progress.stop()
