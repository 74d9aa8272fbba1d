"""Columns of the label tables, for the examples of one store, of several, and of some of their rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.dataset import Examples, TrainingData, column_of, joined, rows_with_target, take_rows
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store


def store_of(folder: Path, labels: list[int | None], **columns: Any) -> Store:
    """A table of one feature, which counts, with these labels."""
    rows = np.arange(len(labels))
    settings = {"source": "given", "group": rows, "origin": [""] * len(labels)} | columns
    write_store(folder, rows[:, None].astype(np.float32), label_table(rows, labels, **settings), shard_bytes=8)
    return open_store(folder)


@pytest.fixture
def given(tmp_path: Path) -> Store:
    """Five examples, of which three have a label; the first weighs most."""
    return store_of(tmp_path / "given", [2, None, 0, None, 1], weight=np.array([5, 4, 3, 2, 1]))


@pytest.fixture
def augmented(tmp_path: Path) -> Store:
    return store_of(tmp_path / "augmented", [2, 0], source="augmented", confidence=np.array([1.0, 0.75]))


def accepted(rows: list[int], labels: list[int]) -> pa.Table:
    """A label table of pseudo-labels."""
    confidence, weight = np.linspace(0.5, 0.9, len(rows)), np.full(len(rows), 0.25)
    table = {"source": "pseudo", "group": np.array(rows), "origin": [""] * len(rows)}
    return label_table(np.array(rows), labels, confidence=confidence, weight=weight, **table)


def test_the_columns_of_one_store(given: Store) -> None:
    examples = Examples.of(given)
    assert examples.column("weight").tolist() == [5, 4, 3, 2, 1]
    assert examples.column("weight").dtype == np.float32
    assert examples.column("source").tolist() == ["given"] * 5
    assert examples.column("confidence").tolist() == [1] * 5
    assert examples.column("group").tolist() == [0, 1, 2, 3, 4]


def test_the_columns_of_rows_with_a_label(given: Store) -> None:
    examples = Examples.of(given, target="label")
    assert examples.rows.tolist() == [0, 2, 4]
    assert examples.column("weight").tolist() == [5, 3, 1]
    assert Examples.of(given).with_target("label").column("weight").tolist() == [5, 3, 1]
    assert Examples.of(given).with_target("value").column("weight").tolist() == []


def test_the_columns_of_several_stores_and_a_label_table(given: Store, augmented: Store, tmp_path: Path) -> None:
    store_of(tmp_path / "pool", [None] * 6, weight=np.full(6, 9.0))
    examples = (
        Examples.of(given, augmented).with_rows(str(tmp_path / "pool"), accepted([5, 2], [1, 0])).with_target("label")
    )
    assert examples.targets.tolist() == [2, 0, 1, 2, 0, 1, 0]
    assert examples.column("source").tolist() == ["given"] * 3 + ["augmented"] * 2 + ["pseudo"] * 2
    assert examples.column("weight").tolist() == [5, 3, 1, 1, 1, 0.25, 0.25]  # the label table's, not the pool's
    np.testing.assert_allclose(examples.column("confidence"), [1, 1, 1, 1, 0.75, 0.5, 0.9], rtol=1e-6)
    assert examples.take(np.array([6, 0, 5]))[:, 0].tolist() == [2, 0, 5]


def test_the_columns_of_a_label_table_in_chunks(given: Store) -> None:
    table = pa.concat_tables([accepted([4], [1]), accepted([3, 0], [2, 2])])
    examples = Examples([(given, table)], target="label")
    assert examples.column("source").tolist() == ["pseudo"] * 3
    assert examples.column("row").tolist() == [4, 3, 0]


def test_a_column_that_the_label_table_lacks_is_that_of_the_store(given: Store) -> None:
    table = pa.table({"row": [4, 1]})
    assert column_of(given, table, "weight").tolist() == [1, 4]
    assert column_of(given, table.append_column("weight", pa.array([7.0, 8.0])), "weight").tolist() == [7, 8]


def test_no_examples_have_empty_columns(tmp_path: Path) -> None:
    assert len(Examples([]).column("weight")) == 0
    assert len(Examples.of(store_of(tmp_path / "empty", [])).column("source")) == 0


def test_open(given: Store, augmented: Store) -> None:
    assert len(Examples.open(str(given.folder), str(augmented.folder))) == 7
    data = TrainingData(Examples.of(given), Examples.of(augmented))
    assert data.pool is None


def test_rows_with_a_target(given: Store) -> None:
    table = given.labels
    assert rows_with_target(table, None) is table
    assert rows_with_target(table, "label")["row"].to_pylist() == [0, 2, 4]
    assert rows_with_target(table.slice(4), "label").num_rows == 1


def test_rows_of_stores_in_one_shard_or_several(given: Store, augmented: Store) -> None:
    assert given.single is None
    shard = augmented.single
    assert type(shard) is np.ndarray
    for store in (given, augmented):
        assert take_rows(store.single, store, np.array([1, 0, 1]))[:, 0].tolist() == [1, 0, 1]


def test_joined() -> None:
    assert joined([], np.int64).dtype == np.int64
    assert joined([np.array([1]), np.array([2, 3])], np.float64).tolist() == [1, 2, 3]
