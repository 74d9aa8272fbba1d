"""One training: what it learns, and that a killed one goes on as if nothing had happened."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sprout.core.errors import UserError
from sprout.core.store import label_table, open_store, write_store
from sprout.models import build
from sprout.settings.augment import Transforms
from sprout.training.batches import Batches, Examples
from sprout.training.fit import Fitted, fit
from sprout.training.tasks import Classify

CLASSES = 3
NONE = {key.name: 0.0 for key in fields(Transforms)}
SETTINGS: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 16,
    "lr": 0.01,
    "optimizer": {"name": "adam", "weight_decay": 0.0, "decay": "weights", "args": {}},
    "schedule": {"name": "cosine", "warmup": 0.1, "drops": (), "drop": 0.1},
    "accumulate": 1,
    "clip": None,
    "ema": None,
    "stop_at": None,
    "channels_last": True,
    "compile": False,
    "checkpoint_minutes": 5.0,
    "transforms": {**NONE, "shift": 0.1, "fill": "zeros"},
    "monitor": "val_loss",
    "patience": None,
    "seed": 7,
    "accelerator": "cpu",
    "devices": 1,
    "nodes": 1,
    "strategy": "auto",
    "precision": "32-true",
    "log_steps": 2,
}
ARCHITECTURE: dict[str, Any] = {
    "name": "mlp",
    "hidden": (16,),
    "activation": "relu",
    "batch_norm": False,
    "dropout": 0.2,
}


def examples(folder: Path, seed: int, n: int = 60) -> Examples:
    """Images with a bright column that tells their class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    images = generator.integers(0, 60, (n, 6, 6, 1), np.uint8)
    images[np.arange(n), :, labels * 2] += 150
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, images, table)
    return Examples.of(open_store(folder), target="label")


@pytest.fixture
def data(tmp_path: Path) -> tuple[Examples, Examples]:
    torch.set_num_threads(1)
    return examples(tmp_path / "train", 0), examples(tmp_path / "val", 1, 30)


def train(data: tuple[Examples, Examples], checkpoints: Path, log: Any = None, **changes: Any) -> Fitted:
    settings = SETTINGS | changes
    torch.manual_seed(settings["seed"])
    network = build((1, 6, 6), CLASSES, **ARCHITECTURE)
    log = log or (lambda metrics, step: None)
    targets = (data[0].targets, data[1].targets)
    shared = {"mean": [0.3], "std": [0.2], "checkpoints": checkpoints, "log": log, "what": "test", "targets": targets}
    found = fit(network, *data, task=Classify("cross_entropy", 0.0, None), **shared, **settings)
    assert found is not None
    return found


def same(one: Fitted, other: Fitted) -> bool:
    return one.history == other.history and all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)


def test_it_learns_and_keeps_the_best_epoch(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    found = train(data, tmp_path / "c")
    losses = [row["val_loss"] for row in found.history]
    assert [row["epoch"] for row in found.history] == list(range(6))
    assert found.best_epoch == int(np.argmin(losses))
    assert found.history[-1]["val_accuracy"] > 0.9
    network = build((1, 6, 6), CLASSES, **ARCHITECTURE)
    network.load_state_dict(found.weights)
    images = torch.from_numpy(np.asarray(data[1].stores[0].take(np.arange(30)))).permute(0, 3, 1, 2) / 255
    logits = network.eval()((images - 0.3) / 0.2)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data[1].targets))
    assert loss.item() == pytest.approx(losses[found.best_epoch], rel=1e-5)


def test_the_same_seed_gives_the_same_bits(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    first = train(data, tmp_path / "a")
    assert same(first, train(data, tmp_path / "b"))
    assert not same(first, train(data, tmp_path / "c", seed=8))


def test_a_killed_training_goes_on_to_the_same_bits(data: tuple[Examples, Examples], tmp_path: Path) -> None:
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
    assert [step for step, metrics in told if "val_loss" in metrics] == list(range(6))
    assert min(step for step, metrics in told if "step_loss" in metrics) >= 3 * 4


def test_early_stopping_ends_it_and_stays_ended(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    changes = {"lr": 5.0, "epochs": 30, "patience": 2, "monitor": "val_accuracy"}
    stopped = train(data, tmp_path / "c", **changes)
    assert len(stopped.history) < 30
    assert len(stopped.history) == stopped.best_epoch + 3
    again = train(data, tmp_path / "c", **changes)
    assert same(again, stopped)


def test_monitor_chooses_by_accuracy(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    found = train(data, tmp_path / "c", monitor="val_accuracy")
    assert found.best_epoch == int(np.argmax([row["val_accuracy"] for row in found.history]))


def test_steps_are_logged_every_so_often(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    told: list[int] = []
    train(data, tmp_path / "c", log=lambda metrics, step: told.append(step) if "step_loss" in metrics else None)
    assert told == list(range(0, 24, 2))


def test_the_schedule_moves_the_rate(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    rates = [row["lr"] for row in train(data, tmp_path / "c").history]
    assert rates[0] > 100 * rates[-1]


def test_what_the_machine_lacks_is_said(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError, match=r"train\.accelerator=cuda.*not possible here"):
        train(data, tmp_path / "c", accelerator="cuda")
    with pytest.raises(UserError, match=r"train\.accelerator=cpu.* strategy=nonsense.*not possible here"):
        train(data, tmp_path / "d", strategy="nonsense")


def test_a_loss_of_nan_ends_it(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    changes = {"lr": 1e38, "optimizer": {"name": "sgd", "weight_decay": 0.0, "decay": "weights", "args": {}}}
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in step \d \(epoch 1\): lower train\.lr=1e\+38"):
        train(data, tmp_path / "c", **changes)


def test_progress_is_plain_lines_without_a_terminal(
    data: tuple[Examples, Examples], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(data, tmp_path / "c")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "test: epoch 6/6" in printed.err
    assert "\x1b" not in printed.err


def test_validation_sees_every_example_in_order(data: tuple[Examples, Examples]) -> None:
    ids = torch.cat([batch.ids for (batch,) in Batches(data[1], 7, targets=data[1].targets).steps(0)])
    assert ids.tolist() == list(range(30))


def test_lightning_is_not_asked_to_pickle(data: tuple[Examples, Examples], tmp_path: Path) -> None:
    """What lies in a checkpoint loads with `weights_only=True`: no object of ours is in it."""
    train(data, tmp_path / "c")
    found = torch.load(sorted((tmp_path / "c").glob("step-*.ckpt"))[-1], weights_only=True)
    assert found["progress"]["history"][-1]["epoch"] == 5
    assert "pytorch_lightning" in sys.modules
