"""When a training is over, and which of its epochs is the best."""

from dataclasses import dataclass

from sprout.engine.train_state import Progress


@dataclass(frozen=True)
class Stopping:
    """As the section's settings say."""

    epochs: int
    monitor: str
    """val_loss or val_accuracy."""
    patience: int | None
    stop_at: float | None

    @property
    def less_is_better(self) -> bool:
        """Of what is monitored."""
        return less_is_better(self.monitor)

    def over(self, progress: Progress) -> bool:
        """Whether the epoch that has just been closed was the last one."""
        if progress.epoch >= self.epochs:
            return True
        if self.patience is not None and progress.waited >= self.patience:
            return True
        if self.stop_at is None or progress.best is None:
            return False
        return progress.best <= self.stop_at if self.less_is_better else progress.best >= self.stop_at


def less_is_better(monitor: str) -> bool:
    """Of a figure by its name."""
    return monitor.endswith("loss")
