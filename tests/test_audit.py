"""Precision and coverage of the labels that the pool got, estimated and measured."""

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from handmade import model
from learning import supervised
from sprout.config.cluster import Local
from sprout.config.train import GradientDescent
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.evaluate.audit import BY_EPOCH, Labels, Share, audit, by_epoch, coverage, decide, in_short, precision
from sprout.evaluate.labellers import POOL, Labelling, labellings, mapped_predictions, most_probable, write_audit
from sprout.evaluate.ranges import Model
from sprout.methods import base
from sprout.models import predictor
from sprout.models.predictor import Predictor
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.stage import SCRATCH
from sprout.selftraining.round_files import write_rounds
from sprout.tasks import TASKS
from sprout.tasks.class_outcomes import softmax
from trainings import CONSISTENCY

CLASSES = ["a", "b", "c"]
SHAPE = (4, 3, 2)


def labels(predicted: list[int], accepted: list[int], true: list[int]) -> Labels:
    n = len(predicted)
    confidence, threshold = np.full(n, 0.9, np.float32), np.full(n, 0.8, np.float32)
    return Labels(np.array(predicted, int), confidence, threshold, np.array(accepted, bool), np.array(true, int))


POOL_LABELS = labels([0, 0, 0, 1, 1, 2], [1, 1, 0, 1, 1, 0], [0, 1, 0, 1, -1, 2])
VAL = labels([0, 1, 1, 1], [1, 1, 1, 0], [0, 1, 0, 2])


# From probabilities to labels.


def test_a_prediction_is_accepted_if_it_reaches_the_threshold_of_its_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]], np.float32)
    found = decide(*most_probable(probabilities), np.array([0.9, 0.8]), np.array([0, 0, -1, 1]))
    assert found.predicted.tolist() == [0, 1, 0, 1]
    assert found.accepted.tolist() == [True, False, False, True], "a threshold itself is enough, also in float32"
    assert found.threshold.tolist() == pytest.approx([0.9, 0.8, 0.9, 0.8])
    assert found.wrong.tolist() == [False, True, False, False]


@pytest.mark.parametrize(("threshold", "accepted"), [(0.0, 3), (1.0, 0)])
def test_all_and_none_are_accepted(threshold: float, accepted: int) -> None:
    probabilities = np.array([[0.5, 0.5], [0.4, 0.6], [0.7, 0.3]], np.float32)
    found = decide(*most_probable(probabilities), np.full(2, threshold), np.full(3, -1))
    assert coverage(found) == Share(accepted, 3)
    assert precision(found) == Share(0, 0)


def test_no_predictions_are_no_labels() -> None:
    found = decide(np.zeros(0, int), np.zeros(0, np.float32), np.full(3, 0.9), np.zeros(0, int))
    assert coverage(found) == Share(0, 0)
    assert found.accepted.tolist() == []


# Shares.


def test_a_share_has_wilsons_interval_and_none_without_examples() -> None:
    expected = binomtest(9, 10).proportion_ci(method="wilson")
    columns = Share(9, 10).columns()
    assert (columns["share"], columns["hits"], columns["total"]) == (0.9, 9, 10)
    assert (columns["low"], columns["high"]) == pytest.approx((expected.low, expected.high))
    assert Share(0, 0).columns() == {"share": None, "low": None, "high": None, "hits": 0, "total": 0}


@pytest.mark.parametrize(
    ("index", "covered", "right"),
    [
        (None, (4, 6), (2, 3)),  # of the accepted ones, the fifth has no known class and the second is wrong
        (0, (2, 3), (1, 2)),
        (1, (2, 2), (1, 1)),
        (2, (0, 1), (0, 0)),
    ],
)
def test_coverage_and_precision(index: int | None, covered: tuple[int, int], right: tuple[int, int]) -> None:
    assert coverage(POOL_LABELS, index) == Share(*covered)
    assert precision(POOL_LABELS, index) == Share(*right)


def test_the_audit_has_all_then_classes() -> None:
    rows = audit(POOL_LABELS, VAL, CLASSES)
    assert list(dict.fromkeys(row["class"] for row in rows)) == ["", "a", "b", "c"]
    found = {(row["measure"], row["basis"]): (row["hits"], row["total"]) for row in rows[:4]}
    assert found == {
        ("coverage", "counted"): (4, 6),
        ("coverage", "estimated"): (3, 4),
        ("precision", "estimated"): (2, 3),
        ("precision", "measured"): (2, 3),
    }


def test_a_class_that_is_never_predicted_has_no_share() -> None:
    rows = [row for row in audit(labels([0], [1], [0]), VAL, CLASSES) if row["class"] == "c"]
    assert [(row["share"], row["total"]) for row in rows] == [(None, 0)] * 4


def test_without_truth_the_precision_is_estimated_and_not_measured() -> None:
    short = in_short(labels([0, 1], [1, 0], [-1, -1]), VAL)
    assert (short["pool"], short["accepted"], short["coverage"]) == (2, 1, 0.5)
    assert (short["precision_estimated"], short["precision_estimated_total"]) == (pytest.approx(2 / 3), 3)
    assert (short["precision_measured"], short["precision_measured_total"]) == (None, 0)
    low, high = binomtest(2, 3).proportion_ci(method="wilson")
    assert (short["precision_estimated_low"], short["precision_estimated_high"]) == pytest.approx((low, high))


def test_coverage_and_precision_by_epoch() -> None:
    """Of five examples, the last one's class is not known; in the first epoch one has not been seen."""
    given = np.array([[1, -2, 3, 0, 2], [1, 2, 3, 1, 2]], np.int16)
    rows = by_epoch(given, np.array([0, 1, 1, 2, -1]))
    found = [(row["epoch"], row["measure"], row["hits"], row["total"]) for row in rows]
    assert found == [(1, "coverage", 3, 4), (1, "precision", 1, 2), (2, "coverage", 5, 5), (2, "precision", 2, 4)]
    assert rows[1]["share"] == 0.5
    assert list(rows[0]) == BY_EPOCH


# Who has labelled the pool.


FREEMATCH = supervised(method=CONSISTENCY | {"threshold": "freematch", "confidence": None}, ema=0.9)
SUPERVISED = supervised()


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve unlabelled images, of which the truth of nine is known, and six of val."""
    monkeypatch.chdir(tmp_path)
    write_split(tmp_path / "unlabelled", [None] * 12, seed=0)
    write_split(tmp_path / "val", [0, 1, 2, 0, None, 1], seed=1)
    truth = [0, 1, 2] * 3 + [None] * 3
    columns = {"row": pa.array(range(12), pa.int64()), "label": pa.array(truth, pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "truth.parquet")
    return tmp_path


def write_split(folder: Path, known: list[int | None], seed: int) -> None:
    rows = np.arange(len(known))
    images = np.random.default_rng(seed).integers(0, 256, (len(rows), *SHAPE), dtype=np.uint8)
    write_store(folder, images, label_table(rows, known, source="given", group=rows, origin=[""] * len(rows)))


def student_of(task: str = "classify", **card: Any) -> Predictor:
    return model(task, SHAPE, seed=1, role="student", **card)


def found_after(folder: Path, student: Predictor, retrain: GradientDescent) -> dict[str, Labelling]:
    """What the stage `evaluate` finds without any round."""
    (folder / "pseudo_labels").mkdir()
    write_rounds(folder / "pseudo_labels", [])
    return labellings(Model(student, folder), folder, folder / "pseudo_labels", retrain, Local("local", None))


def test_the_students_labels_are_those_of_its_method_without_calibration(prepared: Path) -> None:
    student = student_of(temperature=7.0)
    found = found_after(prepared, student, FREEMATCH)
    assert list(found) == ["student"]
    images = open_store(prepared / "unlabelled").take(np.arange(12))
    probabilities = softmax(student.outputs(images), None)
    confidence, of_classes = probabilities.max(axis=1), probabilities.mean(axis=0)
    cutoffs = confidence.mean() * of_classes / of_classes.max()
    labels = found["student"].pool
    assert labels.confidence == pytest.approx(confidence)
    assert labels.threshold == pytest.approx(cutoffs[labels.predicted])
    assert labels.accepted.tolist() == (confidence >= cutoffs[probabilities.argmax(axis=1)]).tolist()
    assert 0 < labels.accepted.sum() < 12
    assert found["student"].by_epoch == [], "its training has left no record"
    of_val = found["student"].val
    assert of_val.threshold == pytest.approx(cutoffs[of_val.predicted])
    assert not SCRATCH.exists()


@pytest.mark.parametrize("batch", [5, 1000])
def test_mapped_predictions_are_those_of_the_whole_store(
    prepared: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "BATCH", batch)
    student, pool = student_of(temperature=7.0), open_store(prepared / "unlabelled")
    found = mapped_predictions(Model(student, prepared), pool, prepared / "file", LocalProcesses())
    np.testing.assert_array_equal(found, softmax(student.outputs_of(pool, "all"), None))
    assert (prepared / "file").stat().st_size == found.nbytes == 12 * 3 * 4


def test_mapped_predictions_are_not_in_memory(tmp_path: Path) -> None:
    """They would take 80 MB; a batch of them, with what softmax makes of it, takes less than 40."""
    rows, classes = np.arange(20_000), [str(index) for index in range(1000)]
    table = label_table(rows, [None] * len(rows), source="given", group=rows, origin=[""] * len(rows))
    write_store(tmp_path, np.random.default_rng(0).normal(0, 1, (len(rows), 4)).astype(np.float32), table)
    student, pool = model("classify", (4,), classes=classes), open_store(tmp_path)
    tracemalloc.start()
    mapped = mapped_predictions(Model(student, tmp_path), pool, tmp_path / "file", LocalProcesses())
    found = decide(*most_probable(mapped), np.zeros(1000), rows % 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.accepted.all()
    assert peak < 40e6


def test_the_labels_of_the_training_are_compared_with_the_truth(prepared: Path) -> None:
    np.save(prepared / f"{base.POOL_ROWS}.npy", np.arange(0, 12, 2))
    np.save(prepared / f"{base.POOL_LABELS}.npy", np.array([[1, 3, 2, -1, 1, 1]] * 3, np.int16))
    rows = found_after(prepared, student_of(), FREEMATCH)["student"].by_epoch
    # True are 0 2 1 0 2 and, of the last one, nothing.
    assert [(row["hits"], row["total"]) for row in rows] == [(5, 6), (3, 4)] * 3


@pytest.mark.parametrize(
    ("student", "retrain"),
    [({"kept": "control"}, FREEMATCH), ({"kept": "teacher"}, FREEMATCH), ({}, SUPERVISED)],
    ids=["control kept", "teacher kept", "supervised"],
)
def test_where_no_student_labels_the_pool_there_is_no_audit(
    prepared: Path, student: dict[str, str], retrain: GradientDescent
) -> None:
    assert found_after(prepared, student_of(**student), retrain) == {}


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if not task.has_pseudo_labels])
def test_other_tasks_have_no_audit(prepared: Path, task: str) -> None:
    assert found_after(prepared, student_of(task), SUPERVISED) == {}


def test_an_empty_pool_has_no_audit(prepared: Path) -> None:
    write_split(prepared / "unlabelled", [], seed=0)
    assert found_after(prepared, student_of(), FREEMATCH) == {}


# The files.


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_hold_the_audit_and_every_label(tmp_path: Path) -> None:
    short = write_audit(tmp_path, {"teacher": Labelling(POOL_LABELS, VAL)}, CLASSES)
    assert short == {"teacher": in_short(POOL_LABELS, VAL)}
    rows, expected = rows_of(tmp_path / "audit.csv"), audit(POOL_LABELS, VAL, CLASSES)
    assert len(rows) == len(expected) == 4 * 4
    assert {row["labeller"] for row in rows} == {"teacher"}
    assert [(row["measure"], row["basis"], int(row["hits"])) for row in rows] == [
        (row["measure"], row["basis"], row["hits"]) for row in expected
    ]
    table = pq.read_table(tmp_path / "pool.parquet")
    assert table.column_names == list(POOL)
    assert table["accepted"].to_pylist() == [True, True, False, True, True, False]
    assert table["label"].to_pylist() == [0, 1, 0, 1, None, 2]


def test_without_labels_the_files_are_empty(tmp_path: Path) -> None:
    assert write_audit(tmp_path, {}, CLASSES) == {}
    assert rows_of(tmp_path / "audit.csv") == []
    assert pq.read_table(tmp_path / "pool.parquet").num_rows == 0
