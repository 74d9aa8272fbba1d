"""Examples out of several stores, and batches whose order is a function of (seed, epoch)."""

from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pytest
import torch

from sprout.data.dataset import Batches, Examples
from sprout.data.store import label_table, open_store, write_store


@pytest.fixture
def stores(make_store):
    """Ten, none and seven examples, the last in several shards."""
    return [
        make_store(10, name="a", seed=1),
        make_store(0, name="b"),
        make_store(7, name="c", seed=2, shard_bytes=3 * 64),
    ]


def flat(lists):
    return list(chain.from_iterable(lists))


def cut(examples, batch_size, **options):
    return Batches(examples, batch_size, targets=examples.targets, **options)


def ids_of(batches, epoch=0, start=0):
    """The places that each step takes, of all its parts."""
    return [flat(batch.ids.tolist() for batch in parts) for parts in batches.steps(epoch, start)]


def only(examples, ids):
    """A batch of these examples."""
    batches = cut(examples, len(ids))
    return batches.batch(np.array(ids), 0, 0)


def test_examples_of_several_stores(stores):
    examples = Examples.of(*stores, target="label")
    assert (len(examples), examples.shape) == (17, (8, 8, 1))
    all_images = np.concatenate([store.take(np.arange(len(store))) for store in stores])
    all_labels = [*(row % 3 for row in range(10)), *(row % 3 for row in range(7))]
    ids = np.array([16, 0, 9, 10, 3, 3, 12])
    batch = only(examples, ids)
    np.testing.assert_array_equal(batch.inputs.numpy(), all_images[ids])
    assert batch.targets.tolist() == [all_labels[place] for place in ids]
    assert batch.ids.tolist() == ids.tolist()
    assert (batch.inputs.dtype, batch.targets.dtype, batch.ids.dtype) == (torch.uint8, torch.int64, torch.int64)
    assert (batch.counted, batch.whole) == (7, 7)


def chosen(rows, labels):
    n = len(rows)
    return label_table(np.array(rows), labels, source="pseudo", group=np.zeros(n), origin=[""] * n, round_=1)


def test_a_label_table_chooses_rows_and_labels(stores):
    """As pseudo-labels do."""
    examples = Examples([(stores[0], stores[0].labels), (stores[2], chosen([5, 1], [2, 0]))], target="label")
    assert len(examples) == 12
    batch = only(examples, [10, 11])
    np.testing.assert_array_equal(batch.inputs.numpy(), stores[2].take(np.array([5, 1])))
    assert batch.targets.tolist() == [2, 0]


def test_plus(stores, tmp_path):
    given = Examples.of(stores[0], stores[1])
    more = given.plus(str(tmp_path / "c"), chosen([5, 1], [2, 0]))
    assert (len(given), len(more)) == (10, 12)
    assert more.knowing("label").targets.tolist() == [row % 3 for row in range(10)] + [2, 0]


def test_one_store_is_taken_the_same_way(stores):
    batch = only(Examples.of(stores[2], target="label"), [6, 2])
    np.testing.assert_array_equal(batch.inputs.numpy(), stores[2].take(np.array([6, 2])))
    assert batch.targets.tolist() == [0, 2]


def table_store(folder, rows, labels):
    rows = np.asarray(rows, np.float32)
    numbers = np.arange(len(rows))
    table = label_table(numbers, labels, source="given", group=numbers, origin=[""] * len(rows))
    write_store(folder, rows, table, shard_bytes=16)
    return open_store(folder)


def test_rows_of_a_table_stay_float32(tmp_path):
    first = table_store(tmp_path / "a", [[0.5, -1], [3, 1e-7], [2.5, 1e9]], [0, 1, 1])
    second = table_store(tmp_path / "b", [[7.25, 0]], [0])
    examples = Examples.of(first, second)
    assert examples.shape == (2,)
    assert torch.equal(only(examples, [3, 2]).inputs, torch.tensor([[7.25, 0], [2.5, 1e9]]))
    assert torch.equal(only(Examples.of(first), [1]).inputs, torch.tensor([[3, 1e-7]]))


def test_examples_without_a_label_are_left_out(tmp_path):
    store = table_store(tmp_path / "a", [[0.0], [1.0], [2.0], [3.0]], [2, None, 0, None])
    examples = Examples.of(store, target="label")
    assert (examples.rows.tolist(), examples.targets.tolist()) == ([0, 2], [2, 0])
    assert only(examples, [1]).inputs.tolist() == [[2.0]]
    assert len(Examples.of(table_store(tmp_path / "b", [[1.0]], [None]), target="label")) == 0


def test_a_task_without_labels_takes_all(tmp_path):
    examples = Examples.of(table_store(tmp_path / "a", [[0.0], [1.0], [2.0]], [2, None, 0]))
    assert (len(examples), len(examples.knowing("label")), len(examples.knowing("label").knowing(None))) == (3, 2, 2)
    assert len(examples.knowing("value")) == 0


def test_numbers_to_predict_keep_their_digits(tmp_path):
    rows, values = np.arange(3), np.array([0.1, np.nan, 1e9 + 0.5])
    table = label_table(
        rows, [None] * 3, source="given", group=rows, origin=[""] * 3, value=pa.array(values, from_pandas=True)
    )
    write_store(tmp_path / "a", np.zeros((3, 1), np.float32), table)
    examples = Examples.of(open_store(tmp_path / "a"), target="value")
    assert examples.rows.tolist() == [0, 2]
    assert examples.targets.tolist() == [0.1, 1e9 + 0.5]


def test_no_examples(stores):
    assert len(Examples.of(stores[1])) == 0
    assert list(cut(Examples.of(stores[1]), 4).steps(0)) == []


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("size", [1, 4, 17, 100])
def test_every_example_once_an_epoch(stores, seed, size):
    batches = cut(Examples.of(*stores), size, seed=seed)
    for epoch in (0, 1):
        found = ids_of(batches, epoch)
        assert len(found) == len(batches) == -(-17 // size)
        assert [len(ids) for ids in found[:-1]] == [size] * (len(found) - 1)
        assert sorted(flat(found)) == list(range(17))


def test_without_a_seed_they_keep_their_order(stores):
    batches = cut(Examples.of(*stores), 5)
    assert flat(ids_of(batches, 0)) == flat(ids_of(batches, 1)) == list(range(17))


def test_the_order_is_a_function_of_seed_and_epoch(stores):
    examples = Examples.of(*stores)
    first = cut(examples, 5, seed=3)
    orders = [ids_of(first, epoch) for epoch in range(3)]
    again = cut(examples, 5, seed=3)
    assert ids_of(again, 2) == orders[2]  # as after resuming
    assert ids_of(first, 0) == orders[0]
    assert ids_of(cut(examples, 5, seed=4), 0) != orders[0]
    assert len({str(order) for order in orders}) == 3
    assert orders[0] != ids_of(cut(examples, 5), 0)


def test_half_an_epoch_changes_nothing(stores):
    batches = cut(Examples.of(*stores), 5, seed=3)
    whole = ids_of(batches)
    assert len(list(islice(batches.steps(0), 2))) == 2
    assert ids_of(batches) == whole


@pytest.mark.parametrize("start", range(5))
def test_an_epoch_goes_on_at_any_step(stores, start):
    batches = cut(Examples.of(*stores), 5, seed=3, parts=2)
    assert ids_of(batches, 7, start) == ids_of(batches, 7)[start:]


def test_a_batch_knows_its_epoch(stores):
    assert {batch.epoch for parts in cut(Examples.of(*stores), 5).steps(7) for batch in parts} == {7}


@pytest.mark.parametrize(("size", "parts"), [(6, 2), (5, 3), (17, 4), (3, 5)])
def test_a_step_may_come_in_parts(stores, size, parts):
    examples = Examples.of(*stores)
    for whole, step in zip(
        ids_of(cut(examples, size, seed=1)), cut(examples, size, seed=1, parts=parts).steps(0), strict=True
    ):
        counted = [batch.ids[: batch.counted].tolist() for batch in step]
        assert sorted(flat(counted)) == sorted(whole)
        assert max(map(len, counted)) - min(map(len, counted)) <= 1
        assert {batch.whole for batch in step} == {len(whole)}
        assert min(len(batch.ids) for batch in step) >= 1


@pytest.mark.parametrize("size", [1, 4, 5, 16, 17])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("world", [1, 2])
def test_the_smallest_batch_that_ever_comes(stores, size, parts, world):
    examples = Examples.of(*stores)
    ranks = [cut(examples, size, seed=1, parts=parts, rank=rank, world=world) for rank in range(world)]
    sizes = [len(batch.ids) for rank in ranks for step in rank.steps(0) for batch in step]
    assert {rank.smallest() for rank in ranks} == {min(sizes)}


@pytest.mark.parametrize(("size", "world"), [(6, 2), (6, 3), (5, 2), (17, 4)])
def test_processes_part_each_batch(stores, size, world):
    examples = Examples.of(*stores)
    alone = ids_of(cut(examples, size, seed=1))
    ranks = [ids_of(cut(examples, size, seed=1, rank=rank, world=world)) for rank in range(world)]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert sorted(flat(parts)) == sorted(whole)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_no_process_is_left_without_an_example(stores):
    """Seventeen by eight leave a last batch of one; the loss of none would be no number."""
    examples = Examples.of(*stores)
    every = [cut(examples, 8, seed=1, rank=rank, world=3) for rank in range(3)]
    ranks, alone = [ids_of(batches) for batches in every], ids_of(cut(examples, 8, seed=1))
    assert [len(ids[-1]) for ids in ranks] == [1, 1, 1]
    assert all(ids[-1] == alone[-1] for ids in ranks)
    # It counts once.
    assert [list(batches.steps(0))[-1][0].counted for batches in every] == [1, 0, 0]
    assert sorted(flat(flat(ids[:-1]) for ids in ranks)) == sorted(flat(alone[:-1]))
