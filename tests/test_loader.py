"""Batches, whose order is a function of (seed, epoch), from one or more streams."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import pytest
import torch

from sprout.augment.draws import OUTSIDE
from sprout.data.dataset import Examples
from sprout.data.loader import Batch, Batches, Shares, StepLoader
from sprout.data.store import Store

Ids = list[int]


@pytest.fixture
def examples(make_store: Callable[..., Store]) -> Examples:
    """Seventeen: ten, none and seven, the last in several shards."""
    stores = [
        make_store(10, name="a", seed=1),
        make_store(0, name="b"),
        make_store(7, name="c", seed=2, shard_bytes=3 * 64),
    ]
    return Examples.of(*stores, target="label")


def flat(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def cut(examples: Examples, size: int, seed: int | None = None, **shares: int) -> Batches:
    """Batches of these examples; `shares` are rank, world and micro_batches."""
    return Batches(examples, size, targets=examples.targets, seed=seed, shares=Shares(**shares))


def ids_of(batches: Batches, epoch: int = 0, start: int = 0) -> list[Ids]:
    """The examples that each step takes, over all its micro-batches."""
    return [flat(batch.ids.tolist() for batch in step) for step in batches.steps(epoch, start)]


class TestBatches:
    """The batches of one stream."""

    def test_a_batch_holds_inputs_targets_and_ids(self, examples: Examples) -> None:
        ids = np.array([16, 0, 9, 10, 3, 3, 12])
        batch = cut(examples, 7).batch(ids, ids, 0)
        np.testing.assert_array_equal(batch.inputs.numpy(), examples.take(ids))
        assert batch.targets.tolist() == examples.targets[ids].tolist()
        assert batch.ids.tolist() == ids.tolist()
        assert (batch.inputs.dtype, batch.targets.dtype, batch.ids.dtype) == (torch.uint8, torch.int64, torch.int64)
        assert (batch.num_valid, batch.global_batch_size) == (7, 7)

    def test_no_examples_give_no_steps(self, make_store: Callable[..., Store]) -> None:
        batches = cut(Examples.of(make_store(0)), 4)
        assert (len(batches), list(batches.steps(0))) == (0, [])

    @pytest.mark.parametrize("seed", [None, 0])
    @pytest.mark.parametrize("size", [1, 4, 17, 100])
    def test_every_example_once_an_epoch(self, examples: Examples, seed: int | None, size: int) -> None:
        batches = cut(examples, size, seed=seed)
        for epoch in (0, 1):
            found = ids_of(batches, epoch)
            assert len(found) == len(batches) == -(-17 // size)
            assert [len(ids) for ids in found[:-1]] == [size] * (len(found) - 1)
            assert sorted(flat(found)) == list(range(17))

    def test_without_a_seed_examples_keep_their_order_and_draws(self, examples: Examples) -> None:
        batches = cut(examples, 5)
        assert flat(ids_of(batches, 0)) == flat(ids_of(batches, 1)) == list(range(17))
        assert {batch.epoch for epoch in (0, 1) for batch in flat(batches.steps(epoch))} == {OUTSIDE}

    def test_the_order_is_a_function_of_seed_and_epoch(self, examples: Examples) -> None:
        first = cut(examples, 5, seed=3)
        orders = [ids_of(first, epoch) for epoch in range(3)]
        assert ids_of(cut(examples, 5, seed=3), 2) == orders[2]  # as after resuming
        assert ids_of(first, 0) == orders[0]
        assert ids_of(cut(examples, 5, seed=4), 0) != orders[0]
        assert len({str(order) for order in orders}) == 3
        assert orders[0] != ids_of(cut(examples, 5), 0)

    def test_an_epoch_that_is_left_early_changes_no_later_one(self, examples: Examples) -> None:
        batches = cut(examples, 5, seed=3)
        before = ids_of(batches)
        assert len(list(islice(batches.steps(0), 2))) == 2
        assert ids_of(batches) == before

    @pytest.mark.parametrize("start", range(5))
    def test_an_epoch_resumes_at_any_step(self, examples: Examples, start: int) -> None:
        batches = cut(examples, 5, seed=3, micro_batches=2)
        assert ids_of(batches, 7, start) == ids_of(batches, 7)[start:]

    def test_a_batch_knows_its_epoch_and_seed(self, examples: Examples) -> None:
        batches = flat(cut(examples, 5, seed=3).steps(7))
        assert {(batch.seed, batch.epoch) for batch in batches} == {(3, 7)}


class TestShares:
    """How a step is shared among processes and micro-batches."""

    @pytest.mark.parametrize(("size", "count"), [(6, 2), (5, 3), (17, 4), (3, 5)])
    def test_micro_batches_share_a_step(self, examples: Examples, size: int, count: int) -> None:
        steps = cut(examples, size, seed=1, micro_batches=count).steps(0)
        for alone, step in zip(ids_of(cut(examples, size, seed=1)), steps, strict=True):
            valid = [batch.ids[: batch.num_valid].tolist() for batch in step]
            assert sorted(flat(valid)) == sorted(alone)
            assert max(map(len, valid)) - min(map(len, valid)) <= 1
            assert {batch.global_batch_size for batch in step} == {len(alone)}
            assert min(len(batch.ids) for batch in step) >= 1

    @pytest.mark.parametrize(("size", "world"), [(6, 2), (6, 3), (5, 2), (17, 4)])
    def test_processes_share_a_step_without_overlap(self, examples: Examples, size: int, world: int) -> None:
        alone = ids_of(cut(examples, size, seed=1))
        ranks = [ids_of(cut(examples, size, seed=1, rank=rank, world=world)) for rank in range(world)]
        for step, *shares in zip(alone, *ranks, strict=True):
            assert sorted(flat(shares)) == sorted(step)
            assert max(map(len, shares)) - min(map(len, shares)) <= 1

    def test_no_process_is_left_without_an_example(self, examples: Examples) -> None:
        """Seventeen by eight leave a last batch of one; the loss of an empty batch would be NaN."""
        every = [cut(examples, 8, seed=1, rank=rank, world=3) for rank in range(3)]
        ranks, alone = [ids_of(batches) for batches in every], ids_of(cut(examples, 8, seed=1))
        assert [len(ids[-1]) for ids in ranks] == [1, 1, 1]
        assert all(ids[-1] == alone[-1] for ids in ranks)
        # It counts once.
        assert [list(batches.steps(0))[-1][0].num_valid for batches in every] == [1, 0, 0]
        assert sorted(flat(flat(ids[:-1]) for ids in ranks)) == sorted(flat(alone[:-1]))

    @pytest.mark.parametrize("size", [1, 4, 5, 16, 17])
    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("world", [1, 2])
    def test_the_smallest_batch_that_ever_comes(self, examples: Examples, size: int, count: int, world: int) -> None:
        ranks = [cut(examples, size, seed=1, rank=rank, world=world, micro_batches=count) for rank in range(world)]
        sizes = [len(batch.ids) for rank in ranks for batch in flat(rank.steps(0))]
        assert {rank.smallest() for rank in ranks} == {min(sizes)}


class TestEndlessStep:
    """A stream that is shuffled again whenever all its examples have come."""

    @staticmethod
    def valid(batches: Batches, step: int) -> Ids:
        """The examples of a step that count, over its micro-batches."""
        return flat(batch.ids[: batch.num_valid].tolist() for batch in batches.endless_step(step))

    def passes(self, batches: Batches, count: int) -> list[Ids]:
        """The examples of the first passes through the stream, in their order."""
        steps = -(-count * len(batches.examples) // batches.batch_size)
        ids = flat(self.valid(batches, step) for step in range(steps))
        return [ids[first : first + 17] for first in range(0, count * 17, 17)]

    @pytest.mark.parametrize("size", [1, 4, 17, 20, 40])
    def test_every_example_once_a_pass(self, examples: Examples, size: int) -> None:
        """Also where a step spans two passes, or is larger than the stream."""
        for ids in self.passes(cut(examples, size, seed=3), 4):
            assert sorted(ids) == list(range(17))

    @pytest.mark.parametrize("size", [4, 20])
    def test_every_step_is_full(self, examples: Examples, size: int) -> None:
        assert {len(self.valid(cut(examples, size, seed=3), step)) for step in range(9)} == {size}

    def test_the_order_is_a_function_of_seed_and_pass(self, examples: Examples) -> None:
        orders = self.passes(cut(examples, 4, seed=3), 3)
        assert orders == self.passes(cut(examples, 20, seed=3), 3)  # the size of a step changes nothing
        assert orders == [cut(examples, 4, seed=3).order(number).tolist() for number in range(3)]
        assert len({str(order) for order in orders}) == 3
        assert orders[0] != self.passes(cut(examples, 4, seed=4), 1)[0]

    def test_a_step_depends_on_no_step_before_it(self, examples: Examples) -> None:
        batches = cut(examples, 6, seed=3)
        ids = [self.valid(batches, step) for step in range(12)]
        assert [self.valid(cut(examples, 6, seed=3), step) for step in range(12)] == ids
        assert [self.valid(batches, step) for step in reversed(range(12))] == ids[::-1]

    def test_a_step_larger_than_its_stream_repeats_examples(self, examples: Examples) -> None:
        counts = Counter(self.valid(cut(examples, 40, seed=3), 0))
        assert set(counts) == set(range(17))
        assert set(counts.values()) == {2, 3}

    def test_each_step_has_draws_of_its_own(self, examples: Examples) -> None:
        batches = cut(examples, 40, seed=3)
        draws = [{(batch.seed, batch.epoch) for batch in batches.endless_step(step)} for step in range(5)]
        assert all(len(step) == 1 for step in draws)
        assert len(set.union(*draws)) == 5

    @pytest.mark.parametrize(("size", "world", "count"), [(6, 2, 1), (20, 3, 1), (5, 1, 2), (9, 2, 2), (1, 3, 2)])
    def test_processes_and_micro_batches_share_a_step(
        self, examples: Examples, size: int, world: int, count: int
    ) -> None:
        alone = cut(examples, size, seed=3)
        ranks = [cut(examples, size, seed=3, rank=rank, world=world, micro_batches=count) for rank in range(world)]
        for step in range(9):
            shares = [batch for rank in ranks for batch in rank.endless_step(step)]
            valid = [batch.ids[: batch.num_valid].tolist() for batch in shares]
            assert Counter(flat(valid)) == Counter(self.valid(alone, step))
            assert max(map(len, valid)) - min(map(len, valid)) <= 1
            assert {batch.global_batch_size for batch in shares} == {size}
            assert min(len(batch.ids) for batch in shares) >= 1


def second(make_store: Callable[..., Store], n: int, size: int, **shares: int) -> Batches:
    """A further stream of unlabelled examples."""
    return cut(Examples.of(make_store(n, name=f"pool{n}", labels=[None] * n)), size, seed=11, **shares)


def as_ids(steps: Iterator[list[tuple[Batch, ...]]]) -> list[list[list[Ids]]]:
    """The examples of each step, micro-batch and stream."""
    return [[[batch.ids.tolist() for batch in streams] for streams in step] for step in steps]


class TestStepLoader:
    """Several streams, the first of which counts the epochs."""

    def test_one_stream_gives_its_own_steps(self, examples: Examples) -> None:
        loader, batches = StepLoader([cut(examples, 5, seed=3)]), cut(examples, 5, seed=3)
        assert len(loader) == len(batches) == 4
        for epoch in range(2):
            assert as_ids(loader.steps(epoch)) == [[[ids]] for ids in ids_of(batches, epoch)]

    def test_a_step_has_a_batch_of_each_stream(self, examples: Examples, make_store: Callable[..., Store]) -> None:
        loader = StepLoader([cut(examples, 5, seed=3), second(make_store, 30, 8), second(make_store, 6, 10)])
        for step in loader.steps(0):
            (streams,) = step
            assert [len(batch.ids) for batch in streams[1:]] == [8, 10]

    def test_further_streams_run_on_over_epochs(self, examples: Examples, make_store: Callable[..., Store]) -> None:
        """Thirty examples by eight are all seen in less than four steps; an epoch of the first stream has four."""
        loader = StepLoader([cut(examples, 5, seed=3), second(make_store, 30, 8)])
        pool = flat(ids for epoch in range(4) for step in as_ids(loader.steps(epoch)) for _, ids in step)
        assert len(pool) == 4 * 4 * 8
        for first in range(0, 120, 30):
            assert sorted(pool[first : first + 30]) == list(range(30))

    @pytest.mark.parametrize("epoch", [0, 2])
    @pytest.mark.parametrize("start", range(5))
    def test_it_resumes_at_any_step(
        self, examples: Examples, make_store: Callable[..., Store], epoch: int, start: int
    ) -> None:
        def loader() -> StepLoader:
            return StepLoader([cut(examples, 5, seed=3, micro_batches=2), second(make_store, 30, 8, micro_batches=2)])

        assert as_ids(loader().steps(epoch, start)) == as_ids(loader().steps(epoch))[start:]

    def test_processes_share_a_step_of_each_stream(self, examples: Examples, make_store: Callable[..., Store]) -> None:
        def loader(rank: int = 0, world: int = 1) -> StepLoader:
            shares = {"rank": rank, "world": world}
            return StepLoader([cut(examples, 6, seed=3, **shares), second(make_store, 30, 8, **shares)])

        ranks = [as_ids(loader(rank, 2).steps(1)) for rank in range(2)]
        for alone, *shares in zip(as_ids(loader().steps(1)), *ranks, strict=True):
            for stream in range(2):
                ids = [ids for ((*streams,),) in shares for ids in streams[stream]]
                assert sorted(ids) == sorted(alone[0][stream])

    def test_each_step_of_the_training_has_draws_of_its_own(
        self, examples: Examples, make_store: Callable[..., Store]
    ) -> None:
        loader = StepLoader([cut(examples, 5, seed=3), second(make_store, 6, 10)])
        draws = [step[0][1].epoch for epoch in range(3) for step in loader.steps(epoch)]
        assert len(set(draws)) == len(draws) == 12

    def test_micro_batches_are_those_of_the_first_stream(self, examples: Examples) -> None:
        assert StepLoader([cut(examples, 6, micro_batches=3)]).micro_batches == 3
