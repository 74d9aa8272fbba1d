"""The progress of a sweep."""

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import Trial
from rich.console import Console

from sprout.sweep.board import Board, format_metric

SPACE = {"train.lr": FloatDistribution(0.1, 0.2), "model.hidden": IntDistribution(8, 8)}


def drawn(board: Board) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(board.table())
    return capture.get()


@pytest.fixture
def started() -> tuple[Board, optuna.Study, list[Trial]]:
    study = optuna.create_study(direction="maximize")
    board, asked = Board("s", ["val_accuracy"], True, 5, 0), [study.ask(SPACE) for _ in range(3)]
    for trial in asked:
        board.started(trial)
    return board, study, asked


def test_before_the_first_trial_workers_start() -> None:
    assert "s: 0 of 5, workers start" in drawn(Board("s", ["val_accuracy"], True, 5, 0))


def test_a_worker_that_waits_is_named() -> None:
    board = Board("s", ["val_accuracy"], True, 5, 0)
    board.waiting = ["worker 1 is waiting for a slot (2 CPUs)"]
    assert "s: 0 of 5, worker 1 is waiting for a slot (2 CPUs)" in drawn(board)
    assert board.running() == "s: worker 1 is waiting for a slot (2 CPUs); 0 of 5"


def test_the_table_has_a_row_for_each_trial(started: tuple[Board, optuna.Study, list[Trial]]) -> None:
    board, study, asked = started
    for number, trial in enumerate(asked):
        board.epoch(trial, number + 1, 8, {"val_accuracy": number / 10})
    study.tell(asked[2], 0.25)
    board.ended(study.trials[2], 1)
    lines = drawn(board).splitlines()
    assert "s: 1 of 5, best 0.25 (trial 2)" in lines[0]
    assert lines[1].split() == ["trial", "state", "epoch", "val_accuracy", "lr", "hidden"]
    assert lines[2].split()[:4] == ["0", "running", "1/8", "0"]
    assert lines[3].split()[:4] == ["1", "running", "2/8", "0.1"]
    assert lines[4].split()[:4] == ["2", "complete", "3/8", "0.25"]


def test_a_count_keeps_all_digits() -> None:
    assert [format_metric(value) for value in (72020.0, 0.123456, float("nan"))] == ["72020", "0.1235", "nan"]


def test_without_a_terminal_the_running_trials_are_one_line(started: tuple[Board, optuna.Study, list[Trial]]) -> None:
    board, study, asked = started
    board.epoch(asked[0], 2, 8, {"val_accuracy": 0.5})
    study.tell(asked[2], 0.25)
    board.ended(study.trials[2], 1)
    assert board.running().startswith("s: trial 0 epoch 2/8, trial 1 starts; 1 of 5, best 0.25 (trial 2)")
    assert Board("s", ["val_accuracy"], True, 5, 0).running() == "s: workers start; 0 of 5"
