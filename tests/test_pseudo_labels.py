"""The selection of pseudo-labels."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from handmade import model
from sprout.config.pseudo_label import Threshold
from sprout.data.store import label_table, read_labels
from sprout.selftraining.pseudo_labels import (
    accept,
    label_pool,
    mean_confidence,
    pseudo_labels,
    write_pseudo_labels,
    write_round,
)
from sprout.tasks import TASKS

# Predictions 0 1 0 2 0 1 2, of these confidences.
CONFIDENCE = [0.9, 0.8, 0.7, 0.9, 0.9, 0.5, 0.95]
PREDICTED = [0, 1, 0, 2, 0, 1, 2]


def certain(predicted: Any, confidence: Any, classes: int = 3) -> Any:
    """Probabilities with these predictions; the rest is spread evenly."""
    confidence = np.asarray(confidence, np.float32)
    rest = (1 - confidence) / (classes - 1)
    probabilities = np.repeat(rest[:, None], classes, axis=1)
    probabilities[np.arange(len(confidence)), predicted] = confidence
    return probabilities


PROBABILITIES = certain(PREDICTED, CONFIDENCE)
NONE = np.zeros((0, 3), np.float32)


def pool(n: int = 7) -> pa.Table:
    group, origin = np.arange(n) + 100, [f"file:{row}" for row in range(n)]
    return label_table(np.arange(n), [None] * n, source="given", group=group, origin=origin)


@pytest.mark.parametrize(
    ("threshold", "per_class", "rows"),
    [
        (0.0, None, [0, 1, 2, 3, 4, 5, 6]),
        (0.8, None, [0, 1, 3, 4, 6]),
        (0.9, None, [0, 3, 4, 6]),  # the threshold itself is enough, also in float32
        (0.96, None, []),
        (0.0, 1, [0, 1, 6]),  # 0 and 4 have the same confidence: the earlier one
        (0.0, 2, [0, 1, 3, 4, 5, 6]),
        (0.75, 2, [0, 1, 3, 4, 6]),
        (0.0, 100, [0, 1, 2, 3, 4, 5, 6]),
        (0.96, 1, []),
    ],
)
def test_accept(threshold: float, per_class: int | None, rows: list[int]) -> None:
    found = accept(PROBABILITIES, Threshold("threshold", threshold, per_class))
    assert found.tolist() == rows
    assert found.dtype == np.int64


def test_the_most_confident_of_a_class_win_wherever_they_stand() -> None:
    generator = np.random.default_rng(0)
    predicted, confidence = generator.integers(0, 3, 300), generator.uniform(0.4, 1, 300)
    found = accept(certain(predicted, confidence), Threshold("threshold", 0.6, 20))
    for index in range(3):
        confident = [row for row in range(300) if predicted[row] == index and confidence[row] >= 0.6]
        most = sorted(confident, key=lambda row: -confidence[row])[:20]
        assert [row for row in found if predicted[row] == index] == sorted(most)


def test_among_equals_the_earlier_rows_win() -> None:
    assert accept(certain([1] * 50, [0.75] * 50), Threshold("threshold", 0.5, 3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("per_class", [None, 2])
def test_an_empty_pool_accepts_nothing(per_class: int | None) -> None:
    assert accept(NONE, Threshold("threshold", 0.0, per_class)).tolist() == []


def test_the_table_says_where_each_label_comes_from() -> None:
    table = pseudo_labels(PROBABILITIES, np.array([3, 6]), pool(), round_=2).to_pylist()
    common = {"label": 2, "value": None, "source": "pseudo", "weight": 1.0, "round": 2, "fold": None}
    assert table == [
        {"row": 3, "confidence": pytest.approx(0.9), "group": 103, "origin": "file:3", **common},
        {"row": 6, "confidence": pytest.approx(0.95), "group": 106, "origin": "file:6", **common},
    ]


def rounds(folder: Path) -> list[dict[str, str]]:
    with (folder / "rounds.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_written(tmp_path: Path) -> None:
    said = write_pseudo_labels(tmp_path, PROBABILITIES, pool(), Threshold("threshold", 0.8, None))
    table = read_labels(tmp_path)
    assert table["row"].to_pylist() == [0, 1, 3, 4, 6]
    assert table["label"].to_pylist() == [0, 1, 2, 0, 2]
    assert set(table["round"].to_pylist()) == {1}
    (row,) = rounds(tmp_path)
    assert float(row.pop("mean_confidence")) == pytest.approx(0.89)
    assert row == {"round": "1", "pool": "7", "accepted": "5", "threshold": "0.8"}
    assert said == "pseudo_label: accepted 5 of 7 at a confidence of 0.8 or above"
    assert {path.name for path in tmp_path.iterdir()} == {"labels.parquet", "rounds.csv"}


@pytest.mark.parametrize(
    ("probabilities", "table", "said"),
    [
        (PROBABILITIES, pool(), "pseudo_label: accepted 0 of 7 at a confidence of 0.99 or above"),
        (NONE, pool(0), "pseudo_label: there is no unlabelled pool; no pseudo-labels"),
    ],
    ids=["all rejected", "empty pool"],
)
def test_nothing_accepted_is_an_empty_table(tmp_path: Path, probabilities: Any, table: pa.Table, said: str) -> None:
    assert write_pseudo_labels(tmp_path, probabilities, table, Threshold("threshold", 0.99, 5)) == said
    assert read_labels(tmp_path).num_rows == 0
    expected = {"round": "1", "pool": str(len(probabilities)), "accepted": "0", "threshold": "0.99"}
    assert rounds(tmp_path) == [expected | {"mean_confidence": ""}]


def test_the_same_pool_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_pseudo_labels(tmp_path / name, PROBABILITIES, pool(), Threshold("threshold", 0.5, 2))
    for file in ("labels.parquet", "rounds.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_classifier_labels_the_pool_by_its_calibrated_probabilities(tmp_path: Path, make_store: Any) -> None:
    teacher, store = model("classify", (4, 3, 2)), make_store(20, shape=(4, 3, 2))
    probabilities = teacher.predict(store.take(np.arange(20)))
    threshold = float(np.median(probabilities.max(axis=1)))
    said = label_pool(tmp_path, teacher, store, Threshold("threshold", threshold, None))
    assert said.startswith("pseudo_label: accepted 10 of 20")
    accepted = read_labels(tmp_path)
    expected = accept(probabilities, Threshold("threshold", threshold, None))
    assert accepted["row"].to_pylist() == expected.tolist()
    assert accepted["label"].to_pylist() == probabilities.argmax(axis=1)[expected].tolist()


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if not task.has_pseudo_labels])
def test_other_tasks_label_nothing_and_say_why(tmp_path: Path, make_store: Any, task: str) -> None:
    teacher = model(task, (4, 3, 2))
    said = label_pool(tmp_path, teacher, make_store(20, shape=(4, 3, 2)), Threshold("threshold", 0.5, None))
    assert task in said
    assert "no pseudo-labels" in said
    assert read_labels(tmp_path).num_rows == 0
    (row,) = rounds(tmp_path)
    assert row == {"round": "1", "pool": "20", "accepted": "0", "threshold": "0.5", "mean_confidence": ""}


def test_a_round(tmp_path: Path) -> None:
    accepted = pseudo_labels(PROBABILITIES, np.array([3, 5]), pool(), round_=1)
    write_round(tmp_path, accepted, 7, 0.5)
    assert read_labels(tmp_path).equals(accepted)
    (row,) = rounds(tmp_path)
    assert float(row["mean_confidence"]) == pytest.approx(0.7) == mean_confidence(accepted)
    assert mean_confidence(accepted.slice(0, 0)) is None
