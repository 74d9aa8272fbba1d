"""A trial's training reports its epochs, and ends when it is pruned."""

from pathlib import Path
from typing import Any, cast

import pytest

from sprout.runtime.errors import Pruned
from sprout.tracking import InSweep
from sprout.tracking.trial import Decision, Reporter, Trial

ROWS = [
    {"val_loss": 0.9, "val_accuracy": 0.5},
    {"val_loss": 0.4, "val_accuracy": 0.7},
    {"val_loss": 0.6, "val_accuracy": 0.8},
]


class Noted:
    """Stands in for a run of MLflow."""

    def __init__(self) -> None:
        self.metrics: list[int] = []
        self.tags: dict[str, str] = {}

    def log_curves(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append(step)

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags


def reporter(
    checkpoints: Path, decisions: list[Decision], monitor: str = "val_loss"
) -> tuple[Reporter, Noted, list[dict[str, float]]]:
    checkpoints.mkdir()
    reported: list[dict[str, float]] = []

    def report(row: dict[str, float], epoch: int) -> Decision:
        reported.append(row)
        return decisions[epoch - 1]

    run = Noted()
    trial = Trial(InSweep("key", "name"), "trial 0", {}, checkpoints, report, lambda model: None)
    return Reporter(cast(Any, run), trial, monitor, less_is_better=monitor == "val_loss"), run, reported


@pytest.mark.parametrize(("monitor", "worth"), [("val_loss", [0.5, 0.7, 0.7]), ("val_accuracy", [0.5, 0.7, 0.8])])
def test_the_row_of_the_best_epoch_is_reported(tmp_path: Path, monitor: str, worth: list[float]) -> None:
    reporting, run, reported = reporter(tmp_path / "c", ["continue"] * 3, monitor)
    for epoch, row in enumerate(ROWS, 1):
        reporting.log(row, epoch)
    assert [row["val_accuracy"] for row in reported] == worth
    assert run.metrics == [1, 2, 3]


def test_steps_are_not_reported(tmp_path: Path) -> None:
    reporting, run, reported = reporter(tmp_path / "c", [])
    reporting.log({"train_loss": 0.1}, 250)
    assert (run.metrics, reported) == ([250], [])


def test_a_pruned_trial_ends_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    reporting, run, _ = reporter(tmp_path / "c", ["prune"])
    with pytest.raises(Pruned, match="after epoch 1"):
        reporting.log(ROWS[0], 1)
    assert run.metrics == [1]
    assert run.tags == {"sprout.trial_state": "PRUNED"}
    assert not (tmp_path / "c").exists()
