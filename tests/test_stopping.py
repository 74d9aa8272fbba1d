"""When a training is over, and which of its epochs is the best."""

import pytest

from sprout.engine.stopping import Stopping
from sprout.engine.train_state import Progress

NAN, INF = float("nan"), float("inf")


def epochs(stopping: Stopping, values: list[float]) -> Progress:
    """A training whose monitored value goes so, until it is over."""
    progress = Progress()
    for value in values:
        progress.judge(value, stopping.less_is_better)
        progress.close_epoch({stopping.monitor: value})
        if stopping.over(progress):
            break
    return progress


@pytest.mark.parametrize(
    ("monitor", "values", "done", "best"),
    [
        ("val_loss", [3, 2, 1, 4], 4, 2),
        ("val_loss", [3, 3, 3], 3, 0),
        ("val_accuracy", [0.1, 0.5, 0.3], 3, 1),
        ("val_loss", [NAN, 2, NAN], 3, 1),
        ("val_loss", [INF, 2, 1], 3, 2),
        ("val_accuracy", [0.5, INF, NAN], 3, 0),
    ],
)
def test_all_epochs_are_run_and_the_first_best_one_is_the_best(
    monitor: str, values: list[float], done: int, best: int
) -> None:
    progress = epochs(Stopping(len(values), monitor, None, None), values)
    assert (progress.epoch, progress.best_epoch) == (done, best)


@pytest.mark.parametrize(
    ("patience", "values", "done"),
    [
        (1, [3, 2, 2, 1], 3),
        (2, [3, 2, 2, 2, 1], 4),
        (2, [3, 4, 2, 4, 1, 5, 5, 0], 7),
        (2, [NAN, NAN, 1], 2),
        (9, [3, 4, 5], 3),
    ],
)
def test_patience_counts_the_epochs_without_a_better_one(patience: int, values: list[float], done: int) -> None:
    assert epochs(Stopping(len(values), "val_loss", patience, None), values).epoch == done


@pytest.mark.parametrize(
    ("monitor", "stop_at", "values", "done"),
    [
        ("val_loss", 2.0, [3, 2, 1], 2),
        ("val_loss", 0.5, [3, 2, 1], 3),
        ("val_accuracy", 0.9, [0.5, 0.9, 1.0], 2),
        ("val_accuracy", 0.9, [NAN, 0.8, 0.95], 3),
        ("val_loss", 0.0, [1, 0, 0], 2),
    ],
)
def test_it_stops_at_what_was_asked_for(monitor: str, stop_at: float, values: list[float], done: int) -> None:
    assert epochs(Stopping(len(values), monitor, None, stop_at), values).epoch == done


def test_a_training_without_any_number_is_not_stopped_early() -> None:
    assert epochs(Stopping(3, "val_loss", None, 5.0), [NAN, NAN, NAN]).epoch == 3
