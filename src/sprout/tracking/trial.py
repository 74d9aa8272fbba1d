"""The training of a sweep's trial: what it knows of the sweep, and how it reports its epochs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprout.runtime.errors import Pruned
from sprout.runtime.run_context import Row
from sprout.tracking import TRIAL_STATE, InSweep, Run

Decision = Literal["continue", "prune"]
Report = Callable[[Row, int], Decision]
"""Takes the history's row of the best epoch so far, whose weights the model would have if it ended now, and the epoch
(from 1); returns what becomes of the trial."""


@dataclass(frozen=True)
class Trial:
    """What a training knows of the sweep that it belongs to."""

    sweep: InSweep
    name: str
    """The name of its MLflow run."""
    tags: dict[str, str]
    """Tags of its MLflow run."""
    checkpoints: Path
    """The folder for its checkpoints."""
    report: Report
    keep: Callable[[Path], None]
    """Takes the model folder of a training that has ended well, before its checkpoints are removed."""


class Reporter:
    """Logs the metrics of a trial, reports its epochs and ends it where the sweep prunes it."""

    def __init__(self, run: Run, trial: Trial, monitor: str | None, *, less_is_better: bool = True) -> None:
        """Create a reporter.

        Args:
            run: the MLflow run of the trial.
            trial: what is known of the sweep.
            monitor: the metric that picks the best epoch; None for a method without epochs.
            less_is_better: whether its smallest value is the best.
        """
        self.run, self.trial, self.monitor, self.less_is_better = run, trial, monitor, less_is_better
        self.best: Row | None = None

    def log(self, metrics: Row, step: int) -> None:
        """Log metrics; those of an epoch are reported to the sweep as well.

        Raises:
            Pruned: the sweep has pruned the trial; its checkpoints are removed.
        """
        self.run.log_curves(metrics, step)
        if self.monitor not in metrics:
            return
        if self.best is None or self.is_better(metrics[self.monitor], self.best[self.monitor]):
            self.best = metrics
        if self.trial.report(self.best, step) == "prune":
            self.run.set_tags({TRIAL_STATE: "PRUNED"})
            shutil.rmtree(self.trial.checkpoints)
            raise Pruned(f"after epoch {step}")

    def is_better(self, value: float, best: float) -> bool:
        """Whether a value of the monitored metric is better than the best one."""
        return value < best if self.less_is_better else value > best
