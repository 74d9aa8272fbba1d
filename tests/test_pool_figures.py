"""What teacher and student make of the pool, in figures."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sprout.data.dataset import Examples
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.runtime.files import write_rows
from sprout.selftraining import pool_figures as module
from sprout.selftraining.pool_figures import MOST, evenly_spaced, kept_share, pool_figures, shares


class Certain:
    """A model that is sure that the brightness of an image is its class."""

    def __init__(self, confidence: float) -> None:
        self.classes, self.network, self.confidence = ["dark", "bright"], None, confidence
        self.card = SimpleNamespace(role="student")

    def predict(self, examples: np.ndarray) -> np.ndarray:
        bright = examples.mean(axis=(1, 2, 3)) > 127
        found = np.where(bright, self.confidence, 1 - self.confidence)
        return np.stack([1 - found, found], axis=1)


def store(folder: Path, brightness: list[int]) -> Path:
    images = np.array(brightness, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    rows = np.arange(len(images))
    labels = np.array(brightness) // 128
    write_store(folder, images, label_table(rows, labels, source="given", group=rows, origin=[*map(str, rows)]))
    return folder


def test_both_models_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"teacher": Certain(0.75), "student": Certain(0.9)}
    monkeypatch.setattr(module, "load_predictor", lambda folder: models[folder.name])
    monkeypatch.setattr(module, "max_batch", lambda network, shape: 2)
    train, pool = (
        store(tmp_path / name, brightness)
        for name, brightness in (("train", [0, 200, 200, 200]), ("pool", [0, 0, 0, 200, 0]))
    )
    (tmp_path / "student").mkdir()
    write_rows(tmp_path / "student/history.csv", ["epoch", "kept_share"], [{"epoch": 0, "kept_share": 0.5}])
    labelled = Examples.open(str(train)).with_target("label")
    folders, on_val = (tmp_path / "student", tmp_path / "teacher"), np.array([0.7, 0.9])
    found = pool_figures(*folders, labelled, open_store(pool), np.arange(5), on_val, "val examples")
    assert (found.classes, found.examples, found.val, found.kept_share) == (["dark", "bright"], 5, 2, 0.5)
    assert (found.labels, found.noun) == (4, "val examples")
    assert (found.label_shares, found.predicted_shares) == ([0.25, 0.75], [0.8, 0.2])
    assert (found.confidence_on_val, found.confidence_on_pool, found.confidence_spread) == (0.8, 0.75, 0.0)
    found = pool_figures(*folders, labelled, open_store(pool), np.array([0, 3]), on_val, "val examples")
    assert (found.examples, found.predicted_shares) == (2, [0.5, 0.5]), "only what the student has learned from"


def test_of_a_large_pool_evenly_spaced_examples_are_looked_at() -> None:
    rows = evenly_spaced(3 * MOST)
    assert (len(rows), rows[0], rows[-1], len(np.unique(rows))) == (MOST, 0, 3 * MOST - 1, MOST)
    assert evenly_spaced(3).tolist() == [0, 1, 2]


def test_a_class_that_is_never_predicted_has_a_share() -> None:
    assert shares(np.array([0, 0, 2, 0]), 4) == [0.75, 0.0, 0.25, 0.0]


def test_a_history_without_the_column_has_no_kept_share(tmp_path: Path) -> None:
    for columns, rows in ((["epoch"], [{"epoch": 0}]), (["epoch", "kept_share"], [])):
        write_rows(tmp_path / "history.csv", columns, rows)
        assert kept_share(tmp_path / "history.csv") is None
