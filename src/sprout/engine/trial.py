"""What a training says to the sweep that it is a trial of, and what the sweep has it do."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprout.engine.stopping import less_is_better
from sprout.runtime.errors import Paused, Pruned
from sprout.tracking import TRIAL_STATE, InSweep, Run

Row = dict[str, float]
Decision = Literal["go", "known", "pause", "prune"]
"""Go on; the same, and this epoch was reported before; leave it for now; leave it for good."""
Report = Callable[[Row, int], Decision]
"""Takes the history's row of the best epoch so far, which is what the model would be now, and the epoch."""


@dataclass(frozen=True)
class Trial:
    """What a training is to a sweep."""

    sweep: InSweep
    name: str
    """Of its run."""
    tags: dict[str, str]
    """Of its run."""
    checkpoints: Path
    """The folder for what it goes on from."""
    report: Report
    keep: Callable[[Path], None]
    """Takes the model folder of a training that has ended well, before its checkpoints go."""


class Reporter:
    """Logs a trial's epochs, and ends it where the sweep does not go on with it."""

    def __init__(self, run: Run, trial: Trial, monitor: str | None) -> None:
        """Take the trial.

        Args:
            run: its run.
            trial: what it is to the sweep.
            monitor: the figure that picks the best epoch; None where nothing is learned in epochs.
        """
        self.run, self.trial, self.monitor = run, trial, monitor
        self.best: Row | None = None

    def log(self, metrics: Row, step: int) -> None:
        """Log metrics; those of an epoch are reported, and logged once however often a checkpoint is gone on from.

        Raises:
            Paused: the sweep leaves it for now.
            Pruned: it leaves it for good; nobody will come back to its checkpoints.
        """
        answer: Decision = "go"
        if self.monitor in metrics:
            if self.best is None or self.better(metrics[self.monitor], self.best[self.monitor]):
                self.best = metrics
            answer = self.trial.report(self.best, step)
        if answer != "known":
            self.run.log_metrics(metrics, step)
        if answer in ("pause", "prune"):
            self.run.set_tags({TRIAL_STATE: "PRUNED"})
        if answer == "pause":
            raise Paused(f"after epoch {step + 1}")
        if answer == "prune":
            shutil.rmtree(self.trial.checkpoints)
            raise Pruned(f"after epoch {step + 1}")

    def better(self, value: float, best: float) -> bool:
        """Whether a value of what is monitored is the better one."""
        assert self.monitor is not None
        return value < best if less_is_better(self.monitor) else value > best
