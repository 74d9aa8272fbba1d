"""From labelled examples to a model folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainings
from sprout.data.dataset import Examples
from sprout.data.store import Store, label_table, open_store, write_store
from sprout.engine.train_model import train_model
from sprout.models.card import ModelCard
from sprout.models.predictor import load_predictor
from sprout.runtime.files import read_json

CONSTANT = {"name": "constant", "warmup": 0.0, "drops": (), "drop": None}
SETTINGS: dict[str, Any] = trainings.SETTINGS | {
    "task": {"kind": "classify", "loss": "cross_entropy", "label_smoothing": 0.0, "class_weights": "none"},
    "start": None,
    "threads": 1,
    "epochs": 12,
    "lr": 0.02,
    "schedule": CONSTANT,
    "transforms": trainings.STILL,
    "seed": 0,
    "log_steps": 0,
}
MEAN, STD = [3000.0, 0.0], [800.0, 0.001]
ARCHITECTURE = {"name": "mlp", "hidden": (16,), "batch_norm": False, "activation": "relu", "dropout": 0.0}
CLASSES = ["low", "middle", "high"]
CARD = ModelCard("classify", ARCHITECTURE, CLASSES, [2], MEAN, STD, None, None, None, 0, "teacher", None)


def rows_of(folder: Path, n: int, seed: int, known: int) -> Store:
    """A table whose first feature tells the class; only the first `known` rows have their label."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rows = np.stack([2000 + 1000 * labels + generator.normal(0, 100, n), generator.normal(0, 0.001, n)], axis=1)
    given = [int(label) if row < known else None for row, label in enumerate(labels)]
    table = label_table(np.arange(n), given, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, rows.astype(np.float32), table)
    return open_store(folder)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    before = torch.get_num_threads()
    train, val = rows_of(tmp_path / "train", 60, 0, 60), rows_of(tmp_path / "val", 30, 1, 27)
    (tmp_path / "model").mkdir()
    examples = [Examples.of(store, target="label") for store in (train, val)]
    where = {"checkpoints": tmp_path / "c", "log": lambda metrics, step: None}
    train_model(tmp_path / "model", *examples, CARD, **where, **SETTINGS)
    torch.set_num_threads(before)
    return tmp_path


def test_rows_of_a_table_are_learned_and_handed_on(trained: Path) -> None:
    predictor = load_predictor(trained / "model")
    card = predictor.card
    assert (card.input_shape, card.mean, card.std) == ([2], MEAN, STD)
    assert card.parameters == (2 * 16 + 16) + (16 * 3 + 3)
    assert card.temperature is not None
    assert card.temperature > 0
    test = rows_of(trained / "test", 90, 2, 90)
    probabilities = predictor.probabilities(test.take(np.arange(90)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (probabilities.argmax(axis=1) == np.arange(90) % 3).all()


def test_what_val_says_is_of_its_labelled_examples(trained: Path) -> None:
    metrics = read_json(trained / "model" / "metrics.json")
    assert metrics["val"]["accuracy"] == 1.0
    supports = [line.split(",")[-1] for line in (trained / "model" / "per_class.csv").read_text().splitlines()[1:]]
    assert supports == ["9", "9", "9"]
