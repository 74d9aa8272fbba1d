"""The figures of teacher and student on test, and of the accepted pseudo-labels against the truth."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sprout.calibration import calibration_error
from sprout.core.records import read_json
from sprout.core.store import label_table, write_labels
from sprout.evaluate import evaluate, pseudo_label_quality
from sprout.metrics import classification_metrics

CLASSES = ["ant", "bee", "cat"]
LABELS = np.array([0, 1, 2, 0, 1, 2])
# The teacher takes both cats for bees, the student one of them.
TEACHER = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.7, 0.2], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.6, 0.4]], np.float32
)
STUDENT = np.array(
    [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.6, 0.4]], np.float32
)
BOTH = {"teacher": TEACHER, "student": STUDENT}
QUALITY = {"pool": 9, "accepted": 4, "known": 4, "accuracy": 0.75}


@pytest.fixture
def written(tmp_path):
    folder = tmp_path / "evaluation"
    folder.mkdir()
    returned = evaluate(folder, BOTH, LABELS, CLASSES, bins=5, accepted=QUALITY)
    return folder, returned


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files(written):
    files = {"metrics.json", "predictions.parquet", "per_class.csv", "calibration.csv", "confusion.csv"}
    assert {path.name for path in written[0].iterdir()} == files


def test_metrics(written):
    folder, returned = written
    assert read_json(folder / "metrics.json") == returned
    assert returned["pseudo_labels"] == QUALITY
    assert returned["test"]["teacher"]["accuracy"] == pytest.approx(4 / 6)
    assert returned["test"]["student"]["accuracy"] == pytest.approx(5 / 6)
    for name, probabilities in BOTH.items():
        assert returned["test"][name] == classification_metrics(probabilities, LABELS, 5)
        assert returned["test"][name]["calibration_error"] == calibration_error(probabilities, LABELS, 5)


def test_predictions(written):
    table = pq.read_table(written[0] / "predictions.parquet").to_pydict()
    assert table["row"] == list(range(6))
    assert table["label"] == LABELS.tolist()
    assert table["teacher"] == [0, 1, 1, 0, 1, 1]
    assert table["student"] == [0, 1, 2, 0, 1, 1]
    assert table["student_confidence"] == pytest.approx([0.9, 1.0, 0.8, 0.8, 0.8, 0.6])
    assert table["teacher_confidence"] == pytest.approx([0.8, 0.6, 0.7, 0.9, 0.9, 0.6])


def test_per_class(written):
    rows = rows_of(written[0] / "per_class.csv")
    assert [(row["model"], row["class"]) for row in rows] == [(m, c) for m in BOTH for c in CLASSES]
    assert [float(row["recall"]) for row in rows] == [1, 1, 0, 1, 1, 0.5]
    assert [float(row["precision"]) for row in rows] == pytest.approx([1, 0.5, 0, 1, 2 / 3, 1])
    assert {row["support"] for row in rows} == {"2"}


def test_calibration(written):
    rows = rows_of(written[0] / "calibration.csv")
    assert list(rows[0]) == ["model", "bin", "confidence", "accuracy", "count"]
    for name in BOTH:
        counts = [int(row["count"]) for row in rows if row["model"] == name]
        assert sum(counts) == 6


def test_confusion_is_the_students(written):
    rows = rows_of(written[0] / "confusion.csv")
    assert [row["actual"] for row in rows] == ["ant", "bee", "cat"] * 2
    assert [row["predicted"] for row in rows] == ["ant", "bee", "cat", "ant", "bee", "bee"]


def quality(tmp_path, rows, labels, truth):
    origin = [""] * len(rows)
    table = label_table(np.array(rows), np.array(labels), source="pseudo", group=np.array(rows), origin=origin)
    write_labels(tmp_path / "pseudo_labels", table)
    columns = {"row": pa.array(range(len(truth)), pa.int64()), "label": pa.array(truth, pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "truth.parquet")
    return pseudo_label_quality(tmp_path / "pseudo_labels", tmp_path / "truth.parquet")


def test_pseudo_labels_against_the_truth(tmp_path):
    found = quality(tmp_path, [4, 1, 2], [0, 1, 0], truth=[0, 1, 0, 1, 2])
    assert found == {"pool": 5, "accepted": 3, "known": 3, "accuracy": pytest.approx(2 / 3)}


def test_only_what_is_known_of_the_truth_counts(tmp_path):
    found = quality(tmp_path, [4, 1, 2, 0], [0, 1, 0, 2], truth=[None, 1, 0, 1, 2])
    assert found == {"pool": 5, "accepted": 4, "known": 3, "accuracy": pytest.approx(2 / 3)}
    nothing = quality(tmp_path, [0, 1], [0, 1], truth=[None, None])
    assert nothing == {"pool": 2, "accepted": 2, "known": 0, "accuracy": None}


@pytest.mark.parametrize("truth", [[], [0, 1]])
def test_no_pseudo_labels_have_no_accuracy(tmp_path, truth):
    assert quality(tmp_path, [], [], truth) == {"pool": len(truth), "accepted": 0, "known": 0, "accuracy": None}
