"""What a model gives for a store, range by range: here where that is quick, else by other processes."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import pytest

from handmade import model, save
from sprout.data.store import Array, Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.evaluate import ranges as module
from sprout.evaluate.ranges import Model, batches, open_model, over_ranges, ranges
from sprout.models import predictor as predictors
from sprout.models.predictor import Predictor
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks

T = TypeVar("T")
SHAPE, BATCH, ROWS = (4,), 5, 16 * 5 * 6 + 7
"""Seven ranges, the last one of two batches."""


@dataclass(frozen=True)
class Elsewhere(LocalProcesses):
    """Runs tasks as other machines do, and counts the ranges of each."""

    elsewhere: ClassVar[bool] = True
    seen: list[int] = field(default_factory=list)

    def compute_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        for task in tasks:
            self.seen.append(len(task.args[-1]))
            yield task()


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, Store]:
    monkeypatch.setattr(predictors, "BATCH", BATCH)
    module.open_both.cache_clear()
    rows = np.arange(ROWS)
    table = label_table(rows, rows % 3, source="given", group=rows, origin=[""] * ROWS)
    write_store(tmp_path / "store", np.random.default_rng(0).random((ROWS, *SHAPE), np.float32), table)
    return open_model(save(tmp_path / "model", model("classify", SHAPE))), open_store(tmp_path / "store")


def outputs(predictor: Predictor, store: Store, start: int, stop: int) -> Array:
    return np.concatenate([predictor.outputs(store.take(rows)) for rows in batches(predictor, store, start, stop)])


def found(engine: Engine, one: Model, store: Store) -> Array:
    return np.concatenate([*over_ranges(outputs, one, store, engine, "test")])


def test_ranges_are_whole_batches_and_cover_all_rows() -> None:
    assert ranges(0, 10) == []
    assert ranges(9, 10) == [(0, 9)]
    assert ranges(160, 10) == [(0, 160)]
    assert ranges(325, 10) == [(0, 160), (160, 320), (320, 325)]


def test_the_batches_of_ranges_are_those_of_one_pass(opened: tuple[Model, Store]) -> None:
    one, store = opened
    parts = [rows for part in ranges(ROWS, BATCH) for rows in batches(one.predictor, store, *part)]
    passed = [*one.predictor.batches(store, "test")]
    assert [rows.tolist() for rows in parts] == [rows.tolist() for rows in passed]


@pytest.mark.parametrize(("task_seconds", "seen"), [(0.0, [1] * 6), (1e9, [6])])
def test_long_work_goes_elsewhere_after_the_first_range(
    opened: tuple[Model, Store], monkeypatch: pytest.MonkeyPatch, task_seconds: float, seen: list[int]
) -> None:
    one, store = opened
    expected, engine = found(LocalProcesses(), *opened), Elsewhere()
    monkeypatch.setattr(module, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(module, "TASK_SECONDS", task_seconds)
    np.testing.assert_array_equal(found(engine, *opened), expected)
    np.testing.assert_array_equal(expected, one.predictor.outputs_of(store, "test"))
    assert engine.seen == seen


def test_short_work_and_examples_in_memory_stay_here(
    opened: tuple[Model, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, store), engine = opened, Elsewhere()
    assert len(found(engine, one, store)) == ROWS
    monkeypatch.setattr(module, "LONG_SECONDS", 0.0)
    reversed_rows = np.arange(ROWS)[::-1]
    np.testing.assert_array_equal(
        found(engine, one, store.part(reversed_rows)), found(LocalProcesses(), one, store.part(reversed_rows))
    )
    assert engine.seen == []


def test_no_examples_give_no_ranges(opened: tuple[Model, Store]) -> None:
    one, store = opened
    for engine in (LocalProcesses(), Elsewhere(), RayTasks("nowhere:1", None)):
        assert [*over_ranges(outputs, one, store.part(np.arange(0)), engine, "test")] == []
