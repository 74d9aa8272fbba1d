"""Unlabelled examples that may belong to no class are found, and are not learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from handmade import model
from sprout.config.cluster import Local
from sprout.data.foreign import Comparison, Foreign
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.plan import pool_of
from sprout.evaluate.labellers import Unlabelled, of_student
from sprout.evaluate.ranges import Model, open_model
from sprout.methods.base import POOL_ROWS
from sprout.methods.consistency import ConsistencyLearner
from sprout.models.card import OUT_OF_FOLD, save_model
from sprout.models.predictor import load_predictor
from sprout.report.pool_notes import left_out
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.selftraining.foreign import compare, find_foreign
from sprout.tasks.class_outcomes import softmax
from trainings import CONSISTENCY, config_of

SURE, UNSURE = (0.9, 1.0), (0.3, 0.8)
SHAPE = (4, 4, 1)
COMPARED = Comparison(5, 9, "val examples", 1e-5, 0.9, 0.4, 0.1, 2)


def draw(*parts: tuple[tuple[float, float], int], seed: int = 0) -> np.ndarray:
    """Confidence drawn evenly from each range, so many of each."""
    chance = np.random.default_rng(seed)
    return np.concatenate([chance.uniform(*bounds, count) for bounds, count in parts]).astype(np.float32)


# The comparison.


def test_those_of_which_the_model_is_less_sure_than_of_its_classes_are_left_out() -> None:
    pool = draw((UNSURE, 150), (SURE, 150))
    rows, found = compare(pool, draw((SURE, 64), seed=1), "val examples")
    assert set(range(150)) <= set(rows.tolist())
    assert len(rows) == found.left_out <= 170, "few of the classes themselves"
    assert (pool[rows] <= found.confidence).all()
    assert (np.delete(pool, rows) > found.confidence).all()
    assert (found.pool, found.known, found.noun) == (300, 64, "val examples")
    assert (found.below_of_pool, found.p < 1e-6) == (len(rows) / 300, True)
    (said,) = left_out(found)
    assert f"these {len(rows)} of 300 unlabelled examples may belong to no class" in said
    assert "of the 64 val examples (p = " in said


@pytest.mark.parametrize("seed", range(5))
def test_a_pool_of_the_same_kind_is_kept(seed: int) -> None:
    rows, found = compare(draw((UNSURE, 90), (SURE, 210), seed=seed), draw((UNSURE, 19), (SURE, 45), seed=seed + 9), "")
    assert (len(rows), found.left_out, left_out(found)) == (0, 0, [])


def test_a_pool_of_which_the_model_is_more_sure_is_kept() -> None:
    assert not len(compare(draw((SURE, 300)), draw((UNSURE, 64)), "")[0])


def test_a_small_difference_that_is_certain_is_none() -> None:
    pool, known = draw((UNSURE, 3_500), (SURE, 46_500)), draw((SURE, 1_000), seed=1)
    rows, found = compare(pool, known, "val examples")
    assert (len(rows), found.p < 1e-3) == (0, True)


def test_a_handful_of_labels_tells_nothing() -> None:
    assert not len(compare(draw((UNSURE, 150), (SURE, 150)), draw((SURE, 5)), "")[0])


# What is left out.


def test_each_fold_has_rows_of_its_own(tmp_path: Path) -> None:
    found = Foreign.of({None: np.array([4, 1]), 0: np.array([], int), 1: np.array([2])}, COMPARED)
    found.write(tmp_path)
    read = Foreign.read(tmp_path)
    assert read.compared == COMPARED
    assert [read.rows(fold).tolist() for fold in (None, 0, 1, 2)] == [[4, 1], [], [2], []]
    assert [read.others(5, fold).tolist() for fold in (None, 0, 1)] == [[0, 2, 3], [0, 1, 2, 3, 4], [0, 1, 3, 4]]


def test_nothing_is_left_out_where_nothing_was_compared(tmp_path: Path) -> None:
    Foreign().write(tmp_path)
    assert (Foreign.read(tmp_path).compared, left_out(None)) == (None, [])
    assert Foreign.read(tmp_path).others(3).tolist() == [0, 1, 2]


def test_a_stage_that_has_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"foreign\.parquet: not found; `dvc repro` makes it"):
        Foreign.read(tmp_path)


def write_split(folder: Path, count: int, folds: int | None = None) -> None:
    rows, images = np.arange(count), np.random.default_rng(count).integers(0, 256, (count, *SHAPE), np.uint8)
    fold = None if folds is None else rows % folds
    write_store(folder, images, label_table(rows, rows % 3, source="given", group=rows, origin=[""] * count, fold=fold))


def test_a_training_has_the_others(tmp_path: Path) -> None:
    write_split(tmp_path / "unlabelled", 5)
    found = Foreign.of({None: np.array([0, 3]), 1: np.array([2])}, COMPARED)
    assert [pool_of(tmp_path, found, fold).rows.tolist() for fold in (None, 1, 0)] == [
        [1, 2, 4],
        [0, 1, 3, 4],
        [0, 1, 2, 3, 4],
    ]
    images = open_store(tmp_path / "unlabelled").take(np.array([2]))
    assert (pool_of(tmp_path, found, None).take(np.array([1])) == images).all()


def test_labels_during_a_training_are_recorded_by_their_rows_of_the_pool() -> None:
    method = config_of(method=CONSISTENCY, ema=0.9).method
    learner = ConsistencyLearner(method, None, torch.full((3,), 1 / 3), np.array([1, 2, 4]))  # type: ignore[arg-type]
    assert learner.arrays()[POOL_ROWS].tolist() == [1, 2, 4]


def test_nothing_left_out_counts_as_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("unlabelled", "val"):
        write_split(tmp_path / name, 12)
    retrain = config_of(method=CONSISTENCY | {"threshold": "freematch", "confidence": None}, ema=0.9)
    examples = Unlabelled(tmp_path, open_store(tmp_path / "unlabelled"), np.arange(12) % 3)
    student, learned = model("classify", SHAPE, seed=1, role="student"), np.arange(2, 12)
    found = of_student(Model(student, tmp_path), examples, retrain, learned, Local("local", None))
    assert found is not None
    assert not found.pool.accepted[:2].any()
    probabilities = softmax(student.outputs(examples.pool.take(learned)), None)
    assert found.pool.threshold[2:] == pytest.approx(
        retrain.method.cutoffs(probabilities)[probabilities.argmax(axis=1)]  # type: ignore[index]
    ), "thresholds are those of what was learned from"


# The teacher is asked.


def test_each_model_is_asked_by_the_confidence_of_what_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models of the folds have weights and temperatures of their own; all are asked with the teacher's."""
    monkeypatch.chdir(tmp_path)
    write_split(tmp_path / "train", 64, folds=2)
    write_split(tmp_path / "unlabelled", 300)
    teacher = tmp_path / "teacher"
    for number, folder in enumerate((teacher, teacher / "folds/0", teacher / "folds/1")):
        folder.mkdir(parents=True)
        made = model("classify", SHAPE, seed=number, role="teacher")
        save_model(folder, made.network.state_dict(), replace(made.card, temperature=[1.0, 9.0, 9.0][number]))
    np.save(teacher / OUT_OF_FOLD, np.eye(3, dtype=np.float32)[np.arange(64) % 3] * 50)  # sure of all of them
    pool = open_store(tmp_path / "unlabelled")
    found, scores = find_foreign(open_model(teacher), pool, tmp_path, LocalProcesses())
    assert found.compared is not None
    assert (found.compared.noun, found.compared.known, found.compared.pool) == ("cross-validated labels", 64, 300)
    for fold, seed in ((None, 0), (0, 1), (1, 2)):
        confidence = model("classify", SHAPE, seed=seed).predict(pool.take(np.arange(300))).max(axis=1)
        assert found.rows(fold).tolist() == compare(confidence, np.ones(64, np.float32), "")[0].tolist()
    assert all(len(found.rows(fold)) for fold in (None, 0, 1))
    assert scores.confidence == pytest.approx(load_predictor(teacher).predict(pool.take(np.arange(300))).max(axis=1))
