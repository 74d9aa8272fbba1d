"""What a training says to its sweep, and what it does then."""

from pathlib import Path
from typing import Any, cast

import pytest

from sprout.engine.trial import Decision, Reporter, Trial
from sprout.runtime.errors import Paused, Pruned
from sprout.tracking import InSweep

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

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append(step)

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags


def reporter(
    checkpoints: Path, answers: list[Decision], monitor: str = "val_loss"
) -> tuple[Reporter, Noted, list[dict[str, float]]]:
    checkpoints.mkdir()
    said: list[dict[str, float]] = []

    def report(row: dict[str, float], epoch: int) -> Decision:
        said.append(row)
        return answers[epoch]

    run = Noted()
    trial = Trial(InSweep("key", "name"), "trial 0", {}, checkpoints, report, lambda model: None)
    return Reporter(cast(Any, run), trial, monitor), run, said


@pytest.mark.parametrize(("monitor", "worth"), [("val_loss", [0.5, 0.7, 0.7]), ("val_accuracy", [0.5, 0.7, 0.8])])
def test_what_is_said_is_what_the_model_would_be_now(tmp_path: Path, monitor: str, worth: list[float]) -> None:
    reporting, run, said = reporter(tmp_path / "c", ["go", "go", "go"], monitor)
    for epoch, row in enumerate(ROWS):
        reporting.log(row, epoch)
    assert [row["val_accuracy"] for row in said] == worth
    assert run.metrics == [0, 1, 2]


def test_what_was_reported_before_is_not_logged_again(tmp_path: Path) -> None:
    reporting, run, said = reporter(tmp_path / "c", ["known", "known", "go"])
    for epoch, row in enumerate(ROWS):
        reporting.log(row, epoch)
    assert run.metrics == [2]
    assert said[2] == ROWS[1], "what came before counts"


def test_steps_are_not_reported(tmp_path: Path) -> None:
    reporting, run, said = reporter(tmp_path / "c", [])
    reporting.log({"train_loss": 0.1}, 250)
    assert (run.metrics, said) == ([250], [])


@pytest.mark.parametrize(("answer", "error", "stays"), [("pause", Paused, True), ("prune", Pruned, False)])
def test_a_trial_is_left(tmp_path: Path, answer: Decision, error: type[BaseException], stays: bool) -> None:
    reporting, run, _ = reporter(tmp_path / "c", [answer])
    with pytest.raises(error, match="after epoch 1"):
        reporting.log(ROWS[0], 0)
    assert run.metrics == [0]
    assert run.tags == {"sprout.trial_state": "PRUNED"}
    assert (tmp_path / "c").exists() is stays
