"""Training a network, from examples to a model folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.train_network import train_network
from sprout.models.predictor import load_predictor
from sprout.runtime.files import read_json
from sprout.runtime.run_context import RunContext
from trainings import CONSTANT, MLP, STILL, card_of, config_of

MEAN, STD = [3000.0, 0.0], [800.0, 0.001]
CARD = card_of(MLP | {"dropout": 0.0}, classes=["low", "middle", "high"], input_shape=[2], mean=MEAN, std=STD)
CONFIG = config_of(epochs=12, lr=0.02, schedule=CONSTANT, transforms=STILL, seed=0, log_steps=0)


def rows_of(folder: Path, n: int, seed: int, known: int) -> Store:
    """A table whose first feature gives the class; only the first `known` rows have their label."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rows = np.stack([2000 + 1000 * labels + generator.normal(0, 100, n), generator.normal(0, 0.001, n)], axis=1)
    given = [int(label) if row < known else None for row, label in enumerate(labels)]
    table = label_table(np.arange(n), given, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, rows.astype(np.float32), table)
    return open_store(folder)


def train_on(folder: Path) -> Path:
    """Train on made rows; the model folder."""
    before = torch.get_num_threads()
    stores = [rows_of(folder / "train", 60, 0, 60), rows_of(folder / "val", 30, 1, 27)]
    data = TrainingData(*(Examples.of(store, target="label") for store in stores))
    (folder / "model").mkdir()
    train_network(folder / "model", data, CARD, CONFIG, None, RunContext("teacher", folder / "checkpoints"))
    torch.set_num_threads(before)
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on(tmp_path_factory.mktemp("trained"))


def test_a_model_of_table_rows_is_written(model: Path, tmp_path: Path) -> None:
    predictor = load_predictor(model)
    card = predictor.card
    assert (card.input_shape, card.mean, card.std) == ([2], MEAN, STD)
    assert card.parameters == (2 * 16 + 16) + (16 * 3 + 3)
    assert card.temperature is not None
    assert card.temperature > 0
    test = rows_of(tmp_path / "test", 90, 2, 90)
    probabilities = predictor.predict(test.take(np.arange(90)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (probabilities.argmax(axis=1) == np.arange(90) % 3).all()


def test_metrics_on_val_are_those_of_its_labelled_examples(model: Path) -> None:
    metrics = read_json(model / "metrics.json")
    assert metrics["epochs"] == 12
    assert metrics["val"]["accuracy"] == 1.0
    supports = [line.split(",")[-1] for line in (model / "per_class.csv").read_text().splitlines()[1:]]
    assert supports == ["9", "9", "9"]


def test_the_history_has_a_row_for_each_epoch(model: Path) -> None:
    head, *rows = (model / "history.csv").read_text().splitlines()
    assert head == "epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"
    assert [row.split(",")[0] for row in rows] == [str(epoch) for epoch in range(1, 13)], "counted from 1"
    losses = [float(row.split(",")[4]) for row in rows]
    best = read_json(model / "metrics.json")["best_epoch"]
    assert (losses[best - 1], best) == (min(losses), 12 - losses[::-1].index(min(losses)))


def test_the_same_seed_gives_the_same_files(model: Path, tmp_path: Path) -> None:
    again = train_on(tmp_path)
    names = sorted(path.name for path in model.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert [name for name in names if (model / name).read_bytes() != (again / name).read_bytes()] == []


def test_ranks_above_0_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprout.engine.fit.rank", lambda: 1)
    assert list(train_on(tmp_path).iterdir()) == []
