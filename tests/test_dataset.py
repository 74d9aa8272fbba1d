"""Examples from several stores, with their targets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.dataset import Examples
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store


@pytest.fixture
def stores(make_store: Callable[..., Store]) -> list[Store]:
    """Ten, no and seven examples, the last ones in several shards."""
    return [
        make_store(10, name="a", seed=1),
        make_store(0, name="b"),
        make_store(7, name="c", seed=2, shard_bytes=3 * 64),
    ]


def accepted(rows: list[int], labels: list[int], **columns: Any) -> pa.Table:
    """A label table of pseudo-labels."""
    n = len(rows)
    return label_table(np.array(rows), labels, source="pseudo", group=np.zeros(n), origin=[""] * n, round_=1, **columns)


def table_store(folder: Path, rows: Any, labels: Sequence[int | None], **columns: Any) -> Store:
    """Rows of a table, in shards of 16 bytes."""
    rows = np.asarray(rows, np.float32)
    numbers = np.arange(len(rows))
    table = label_table(numbers, labels, source="given", group=numbers, origin=[""] * len(rows), **columns)
    write_store(folder, rows, table, shard_bytes=16)
    return open_store(folder)


def test_examples_of_several_stores(stores: list[Store]) -> None:
    examples = Examples.of(*stores, target="label")
    assert (len(examples), examples.shape) == (17, (8, 8, 1))
    images = np.concatenate([store.take(np.arange(len(store))) for store in stores])
    ids = np.array([16, 0, 9, 10, 3, 3, 12])
    taken = examples.take(ids)
    assert taken.dtype == np.uint8
    np.testing.assert_array_equal(taken, images[ids])
    assert examples.targets.dtype == np.int64
    assert examples.targets.tolist() == [*(row % 3 for row in range(10)), *(row % 3 for row in range(7))]


@pytest.mark.parametrize("number", [0, 2])
def test_examples_of_one_store(stores: list[Store], number: int) -> None:
    """One shard, and several."""
    examples = Examples.of(stores[number], target="label")
    np.testing.assert_array_equal(examples.take(np.array([6, 2])), stores[number].take(np.array([6, 2])))
    assert examples.targets[[6, 2]].tolist() == [0, 2]


def test_a_label_table_chooses_rows_and_labels(stores: list[Store]) -> None:
    """As pseudo-labels do."""
    examples = Examples([(stores[0], stores[0].labels), (stores[2], accepted([5, 1], [2, 0]))], target="label")
    assert len(examples) == 12
    np.testing.assert_array_equal(examples.take(np.array([10, 11])), stores[2].take(np.array([5, 1])))
    assert examples.targets[10:].tolist() == [2, 0]


def test_plus_adds_the_rows_of_a_label_table(stores: list[Store], tmp_path: Path) -> None:
    given = Examples.of(stores[0], stores[1])
    more = given.with_rows(str(tmp_path / "c"), accepted([5, 1], [2, 0]))
    assert (len(given), len(more)) == (10, 12)
    assert more.with_target("label").targets.tolist() == [row % 3 for row in range(10)] + [2, 0]


def test_folders_are_opened_in_their_order(stores: list[Store], tmp_path: Path) -> None:
    examples = Examples.open(str(tmp_path / "c"), str(tmp_path / "a"))
    assert [len(store) for store in examples.stores] == [7, 10]
    assert not examples.targets.any()


def test_rows_of_a_table_stay_float32(tmp_path: Path) -> None:
    first = table_store(tmp_path / "a", [[0.5, -1], [3, 1e-7], [2.5, 1e9]], [0, 1, 1])
    second = table_store(tmp_path / "b", [[7.25, 0]], [0])
    examples = Examples.of(first, second)
    assert examples.shape == (2,)
    taken = examples.take(np.array([3, 2]))
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, np.array([[7.25, 0], [2.5, 1e9]], np.float32))
    np.testing.assert_array_equal(Examples.of(first).take(np.array([1])), np.array([[3, 1e-7]], np.float32))


def test_examples_without_a_label_are_left_out(tmp_path: Path) -> None:
    examples = Examples.of(
        table_store(tmp_path / "a", [[0.0], [1.0], [2.0], [3.0]], [2, None, 0, None]), target="label"
    )
    assert (examples.rows.tolist(), examples.targets.tolist()) == ([0, 2], [2, 0])
    assert examples.take(np.array([1])).tolist() == [[2.0]]
    assert len(Examples.of(table_store(tmp_path / "b", [[1.0]], [None]), target="label")) == 0


def test_a_task_without_labels_takes_all_examples(tmp_path: Path) -> None:
    examples = Examples.of(table_store(tmp_path / "a", [[0.0], [1.0], [2.0]], [2, None, 0]))
    assert (
        len(examples),
        len(examples.with_target("label")),
        len(examples.with_target("label").with_target(None)),
    ) == (3, 2, 2)
    assert len(examples.with_target("value")) == 0


def test_numbers_to_predict_keep_their_digits(tmp_path: Path) -> None:
    values = pa.array(np.array([0.1, np.nan, 1e9 + 0.5]), from_pandas=True)
    examples = Examples.of(table_store(tmp_path / "a", np.zeros((3, 1)), [None] * 3, value=values), target="value")
    assert examples.rows.tolist() == [0, 2]
    assert examples.targets.tolist() == [0.1, 1e9 + 0.5]


def test_no_examples(stores: list[Store]) -> None:
    examples = Examples.of(stores[1], target="label")
    assert (len(examples), len(examples.column("weight"))) == (0, 0)
    assert examples.targets.dtype == np.int64


class TestColumn:
    """Columns that only some methods read."""

    def test_it_comes_from_the_label_tables(self, stores: list[Store]) -> None:
        pseudo = accepted([5, 1], [2, 0], confidence=np.array([0.5, 0.25]), weight=np.array([0.0, 2.0]))
        examples = Examples([(stores[0], stores[0].labels), (stores[2], pseudo)], target="label")
        assert examples.column("confidence").tolist() == [1.0] * 10 + [0.5, 0.25]
        assert examples.column("weight").tolist() == [1.0] * 10 + [0.0, 2.0]
        assert examples.column("source").tolist() == ["given"] * 10 + ["pseudo"] * 2
        assert examples.column("round").tolist() == [0] * 10 + [1, 1]

    def test_what_the_table_at_hand_lacks_is_read_from_the_store(self, tmp_path: Path) -> None:
        """`Examples.of` reads only a few columns; the order and the gaps of its rows count."""
        weights = np.array([0.5, 1.0, 2.0, 4.0])
        store = table_store(tmp_path / "a", np.zeros((4, 1)), [0, None, 1, 2], weight=weights)
        assert Examples.of(store, target="label").column("weight").tolist() == [0.5, 2.0, 4.0]
        table = store.columns("row", "label", "value").take([3, 0])
        assert Examples([(store, table)], "label").column("weight").tolist() == [4.0, 0.5]
