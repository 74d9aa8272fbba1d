"""One training: it learns, and after a kill it resumes to the same result."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sprout.data.dataset import TrainingData
from sprout.data.loader import Batches
from sprout.runtime.errors import UserError
from trainings import SGD, data_in, inputs_of, network_of, same, train


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return data_in(tmp_path)


def test_it_learns_and_keeps_the_best_epoch(data: TrainingData, tmp_path: Path) -> None:
    found = train(data, tmp_path / "c")
    losses = [row["val_loss"] for row in found.history]
    assert [row["epoch"] for row in found.history] == list(range(1, 7)), "counted from 1"
    assert found.best_epoch == int(np.argmin(losses))
    assert found.history[-1]["val_accuracy"] > 0.9
    network = network_of()
    network.load_state_dict(found.weights)
    logits = network.eval()(inputs_of(data.val))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.val.targets))
    assert loss.item() == pytest.approx(losses[found.best_epoch], rel=1e-5)


def test_the_same_seed_gives_the_same_bits(data: TrainingData, tmp_path: Path) -> None:
    first = train(data, tmp_path / "a")
    assert same(first, train(data, tmp_path / "b"))
    assert not same(first, train(data, tmp_path / "c", seed=8))


def test_a_training_that_an_error_ended_goes_on_to_the_same_bits(data: TrainingData, tmp_path: Path) -> None:
    class Kill(BaseException):
        pass

    def die_in_epoch_3(metrics: dict[str, float], step: int) -> None:
        if "val_loss" in metrics and step == 3:
            raise Kill

    with pytest.raises(Kill):
        train(data, tmp_path / "c", log=die_in_epoch_3)
    told: list[tuple[int, dict[str, float]]] = []
    resumed = train(data, tmp_path / "c", log=lambda metrics, step: told.append((step, metrics)))
    assert same(resumed, train(data, tmp_path / "undisturbed"))
    # Epochs 0 to 2 are told again, for the new run; steps only from epoch 3 on.
    assert [step for step, metrics in told if "val_loss" in metrics] == list(range(1, 7)), "counted from 1"
    assert min(step for step, metrics in told if "step_loss" in metrics) >= 3 * 4


def test_early_stopping_ends_it_and_stays_ended(data: TrainingData, tmp_path: Path) -> None:
    changes = {"lr": 5.0, "epochs": 30, "patience": 2, "monitor": "val_accuracy"}
    stopped = train(data, tmp_path / "c", **changes)
    assert len(stopped.history) < 30
    accuracies = [row["val_accuracy"] for row in stopped.history]
    assert len(accuracies) == int(np.argmax(accuracies)) + 3
    again = train(data, tmp_path / "c", **changes)
    assert same(again, stopped)


def test_monitor_chooses_by_accuracy(data: TrainingData, tmp_path: Path) -> None:
    found = train(data, tmp_path / "c", monitor="val_accuracy")
    accuracies = [row["val_accuracy"] for row in found.history]
    assert found.best_epoch == max(epoch for epoch, value in enumerate(accuracies) if value == max(accuracies))


def test_steps_are_logged_every_so_often(data: TrainingData, tmp_path: Path) -> None:
    told: list[int] = []
    train(data, tmp_path / "c", log=lambda metrics, step: told.append(step) if "step_loss" in metrics else None)
    assert told == list(range(0, 24, 2))


def test_the_schedule_moves_the_rate(data: TrainingData, tmp_path: Path) -> None:
    rates = [row["lr"] for row in train(data, tmp_path / "c").history]
    assert rates[0] > 100 * rates[-1]


def test_what_the_machine_lacks_is_said(data: TrainingData, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError, match=r"^accelerator=cuda.*not possible here"):
        train(data, tmp_path / "c", accelerator="cuda")


def test_a_loss_of_nan_ends_it(data: TrainingData, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"lr": 1e38, "optimizer": SGD}
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in step \d \(epoch 1\): lower its lr=1e\+38"):
        train(data, tmp_path / "c", **changes)


def test_progress_is_plain_lines_without_a_terminal(
    data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(data, tmp_path / "c")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "test: epoch 6/6" in printed.err
    assert "\x1b" not in printed.err


def test_validation_sees_every_example_in_order(data: TrainingData) -> None:
    ids = torch.cat([batch.ids for (batch,) in Batches(data.val, 7, targets=data.val.targets).steps(0)])
    assert ids.tolist() == list(range(30))


def test_lightning_is_not_asked_to_pickle(data: TrainingData, tmp_path: Path) -> None:
    """What lies in a checkpoint loads with `weights_only=True`: no object of ours is in it."""
    train(data, tmp_path / "c")
    found = torch.load(sorted((tmp_path / "c").glob("step-*.ckpt"))[-1], weights_only=True)
    assert found["progress"]["history"][-1]["epoch"] == 6
    assert "pytorch_lightning" in sys.modules
