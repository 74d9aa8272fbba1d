"""Teacher and student on test by their task, and the learning curves."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handmade import model, opened, outcomes
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.evaluate.curves import read_curves, write_curves
from sprout.evaluate.evaluate import evaluate, examine, examine_on
from sprout.evaluate.judged import Judged
from sprout.evaluate.ranges import Model
from sprout.evaluate.val_errors import VAL_ERRORS, read_val_errors, write_errors
from sprout.models.card import OUT_OF_FOLD
from sprout.models.predictor import Predictor
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.files import read_json
from sprout.tasks import TASKS
from sprout.tasks.interfaces import Limits

QUALITY = {"teacher": {"pool": 9, "accepted": 4, "precision_measured": 0.75}}
LIMITS = Limits(bins=5, examples=3)
SHAPE = (4, 3, 2)
ALL = {"metrics.json", "predictions.parquet", "confusion.csv"}
FILES = {
    "classify": ALL | {"per_class.csv", "calibration.csv", "calibration_errors.csv"},
    "regress": ALL,
    "reconstruct": ALL | {"restored.npz"},
    "cluster": ALL,
}


@pytest.fixture
def split(tmp_path: Path) -> Store:
    """Six random images, five with a class and a number."""
    rows, images = np.arange(6), np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
    labels, value = [0, 1, None, 2, 1, 0], pa.array([90.0, 110.0, None, 95.5, 100.0, 120.0])
    write_store(
        tmp_path / "test", images, label_table(rows, labels, value=value, source="given", group=rows, origin=[""] * 6)
    )
    return open_store(tmp_path / "test")


def models_of(task: str, **student: Any) -> dict[str, Model]:
    """Two models with random weights."""
    return opened(teacher=model(task, SHAPE), student=model(task, SHAPE, seed=1, role="student", **student))


def examined_on(models: dict[str, Model], split: Store) -> Any:
    return examine_on(models, split, LocalProcesses())


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_measured_and_written_its_own_way(tmp_path: Path, split: Store, task: str) -> None:
    folder, models = made(tmp_path / "evaluation"), models_of(task)
    found = evaluate(folder, models, examined_on(models, split), LIMITS, QUALITY, None)
    assert files(folder) == FILES[task]
    assert read_json(folder / "metrics.json") == found
    assert (found["pseudo_labels"], found["handed_on"]) == (QUALITY, "student")
    predictors = {role: each.predictor for role, each in models.items()}
    kept = {role: outcomes(each, split) for role, each in predictors.items()}
    for role, each in predictors.items():
        assert found["test"][role] == each.task.metrics(kept[role], each.card, split, LIMITS.bins)
    assert found["test"]["teacher"] != found["test"]["student"]
    assert set(found["test"]["teacher"]) == {score.key for score in TASKS[task].scores}
    expected = TASKS[task].write_evaluation(made(tmp_path / "again"), predictors, split, kept, LIMITS)
    assert pq.read_table(folder / "predictions.parquet").equals(expected)


def test_without_test_examples_cross_validation_measures(tmp_path: Path, split: Store) -> None:
    """The labels of train, each with what a model without its fold has found; the models themselves do not run."""
    models = {role: Model(each.predictor, made(tmp_path / role)) for role, each in models_of("classify").items()}
    kept = {role: outcomes(each.predictor, split) for role, each in models.items()}
    for each in models.values():
        np.save(each.folder / OUT_OF_FOLD, each.predictor.task.examine(each.predictor, split, "train"))
        each.predictor.network.register_forward_hook(
            lambda *_: pytest.fail("the final model has learned from these labels")
        )
    split.folder.rename(made(tmp_path / "prepared") / "train")
    nothing = split.part(np.arange(0))
    tested = examine(models, nothing, tmp_path / "prepared", LocalProcesses())
    found = evaluate(made(tmp_path / "evaluation"), models, tested, LIMITS, QUALITY, None)
    assert set(found) == {"cross_validation", "pseudo_labels", "handed_on"}
    for role, each in models.items():
        task, train = each.predictor.task, open_store(tmp_path / "prepared/train")
        metrics = task.metrics(kept[role], each.predictor.card, train, LIMITS.bins)
        assert found["cross_validation"][role] == metrics


def test_with_test_examples_they_measure(tmp_path: Path, split: Store) -> None:
    models, folder = models_of("classify"), made(tmp_path / "model")
    np.save(folder / OUT_OF_FOLD, np.zeros((6, 3), np.float32))
    in_folder = {role: Model(each.predictor, folder) for role, each in models.items()}
    assert examine(in_folder, split, tmp_path, LocalProcesses()).split == "test"


def test_a_kept_teacher_is_computed_once(tmp_path: Path, split: Store) -> None:
    models = models_of("cluster", kept="teacher")
    models["student"].predictor.network.register_forward_hook(lambda *_: pytest.fail("computed again"))
    found = evaluate(made(tmp_path / "evaluation"), models, examined_on(models, split), LIMITS, QUALITY, None)["test"]
    assert found["student"] == found["teacher"]


@pytest.mark.parametrize("task", TASKS)
def test_the_same_models_give_the_same_bytes(
    tmp_path: Path, split: Store, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    models, folders = models_of(task), [tmp_path / "a", tmp_path / "b"]
    for number, folder in enumerate(folders):
        monkeypatch.setattr("time.time", lambda number=number: 1e9 + 1e5 * number)
        evaluate(made(folder), models, examined_on(models, split), LIMITS, QUALITY, None)
    for name in files(folders[0]):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_memory_holds_no_outputs_of_the_test_split(tmp_path: Path) -> None:
    """They would take 80 MB; those of a batch, with what softmax makes of them, take less than 50."""
    rows, classes = np.arange(20_000), [f"c{i}" for i in range(1000)]
    table = label_table(rows, rows % 1000, source="given", group=rows, origin=[""] * len(rows))
    write_store(tmp_path / "test", np.random.default_rng(0).random((len(rows), 4), np.float32), table)
    one, test = model("classify", (4,), classes=classes), open_store(tmp_path / "test")
    tracemalloc.start()
    tested = examined_on(opened(student=one), test)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    np.testing.assert_array_equal(tested.outcomes["student"]["predicted"], one.outputs_of(test, "test").argmax(axis=1))


# Learning curves.


def test_each_metric_has_a_file_with_both_models(tmp_path: Path) -> None:
    columns = "epoch,lr,train_loss,val_loss,train_mae,val_mae\n"
    (made(tmp_path / "teacher") / "history.csv").write_text(columns + "0,0.1,9,3,9,4.5\n1,0.1,9,2,9,\n")
    (made(tmp_path / "student") / "history.csv").write_text(
        columns + "0,0.1,9,inf,9,5\n1,0.1,9,1,9,4\n2,0.1,9,0.5,9,3\n"
    )
    write_curves(made(tmp_path / "curves"), {role: tmp_path / role for role in ("teacher", "student")})
    assert files(tmp_path / "curves") == {"val_loss.json", "val_mae.json"}
    loss, mae = (read_json(tmp_path / "curves" / name) for name in ("val_loss.json", "val_mae.json"))
    assert [tuple(row.values()) for row in loss] == [(0, 3.0, None, None), (1, 2.0, None, 1.0), (2, None, None, 0.5)]
    assert mae[1] == {"epoch": 1, "teacher": None, "control": None, "student": 4.0}
    assert read_curves(tmp_path / "student" / "history.csv")["val_loss"] == {1: 1.0, 2: 0.5}


def test_a_model_without_epochs_has_an_empty_curve(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,lr,train_loss,val_loss\n")
    write_curves(made(tmp_path / "curves"), dict.fromkeys(("teacher", "student"), tmp_path))
    assert files(tmp_path / "curves") == {"val_loss.json"}
    assert read_json(tmp_path / "curves" / "val_loss.json") == []


@pytest.mark.parametrize(("task", "measure"), [("classify", "error_rate"), ("regress", "mae"), ("reconstruct", "mse")])
def test_the_mean_of_the_errors_on_val_is_the_metric(tmp_path: Path, split: Store, task: str, measure: str) -> None:
    one = model(task, SHAPE)
    kept = outcomes(one, split)
    write_errors(tmp_path, Judged(split, kept, "val"), one)
    found = read_val_errors(tmp_path / VAL_ERRORS)
    assert (found.measure, found.split, found.crossed) == (measure, "val", False)
    assert found.errors.mean() == pytest.approx(one.task.metrics(kept, one.card, split, 5)[measure])
    assert pq.read_table(tmp_path / VAL_ERRORS)["row"].to_pylist() == [
        row for row in range(6) if row != 2 or task == "reconstruct"
    ]


def test_errors_are_of_the_same_examples_only_with_the_same_labels_classes_and_noise(
    tmp_path: Path, split: Store
) -> None:
    def examples(name: str, one: Predictor, store: Store = split) -> str:
        write_errors(made(tmp_path / name), Judged(store, outcomes(one, store), "val"), one)
        return read_val_errors(tmp_path / name / VAL_ERRORS).examples

    first = examples("a", model("classify", SHAPE))
    assert examples("b", model("classify", SHAPE, seed=1)) == first
    assert examples("c", model("classify", SHAPE, classes=["a", "b", "x"])) != first
    labels = split.labels.set_column(1, "label", pa.array([0, 1, None, 2, 1, 2]))
    other = replace(split)
    other.__dict__["labels"] = labels
    assert examples("d", model("classify", SHAPE), other) != first
    folds = split.labels.set_column(9, "fold", pa.array([0, 1, 0, 1, 0, 1], pa.int16()))
    other.__dict__["labels"] = folds
    assert examples("e", model("classify", SHAPE), other) != first
    assert examples("f", model("reconstruct", SHAPE)) != examples("g", model("reconstruct", SHAPE, noise=0.2))


def test_clusterings_have_no_errors(tmp_path: Path, split: Store) -> None:
    one = model("cluster", SHAPE)
    write_errors(tmp_path, Judged(split, outcomes(one, split), "val"), one)
    assert not (tmp_path / VAL_ERRORS).exists()
