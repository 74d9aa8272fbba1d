"""The batches of a training, by the streams of its method."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sprout.config.train import GradientDescent
from sprout.data.dataset import TrainingData
from sprout.data.loader import Batches, Shares
from sprout.engine.data_module import examples_of, stream_batches, training_steps, validation_batches
from sprout.methods.base import Source, Stream
from sprout.models.card import ModelCard
from trainings import card_of, config_of, data_in

POOL = Stream(Source.POOL, ratio=2.0)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    """Its pool has labels, as a store may."""
    data = data_in(tmp_path)
    return replace(data, pool=data_in(tmp_path / "pool").train)


def test_a_stream_takes_the_training_examples_or_the_pool(data: TrainingData) -> None:
    assert examples_of(Stream(Source.TRAIN), data) is data.train
    assert examples_of(POOL, data) is data.pool
    with pytest.raises(ValueError, match="pool"):
        examples_of(POOL, replace(data, pool=None))


def test_labels_of_the_pool_reach_no_method(data: TrainingData) -> None:
    assert data.pool is not None
    assert data.pool.targets.any()
    batches = stream_batches(data.pool, 1, POOL, card_of(), config_of(), Shares())
    assert not any(batch.targets.any() for step in range(4) for batch in batches.endless_step(step))


@pytest.mark.parametrize(("ratio", "size"), [(1.0, 16), (2.0, 32), (0.5, 8), (0.01, 1)])
def test_the_ratio_scales_the_batch_size(data: TrainingData, ratio: float, size: int) -> None:
    stream = Stream(Source.TRAIN, ratio)
    assert stream_batches(data.train, 0, stream, card_of(), config_of(batch_size=16), Shares()).batch_size == size


def test_each_stream_has_a_seed_of_its_own(data: TrainingData) -> None:
    streams = [stream_batches(data.train, number, POOL, card_of(), config_of(seed=7), Shares()) for number in range(3)]
    assert streams[0].seed == 7
    assert len({stream.seed for stream in streams}) == 3
    assert len({str(stream.order(0)) for stream in streams}) == 3


def test_no_seed_gives_the_seed_of_another_stream(data: TrainingData) -> None:
    """Seeds are below 2³¹."""
    largest = stream_batches(data.train, 0, POOL, card_of(), config_of(seed=2**31 - 1), Shares())
    second = stream_batches(data.train, 1, POOL, card_of(), config_of(seed=0), Shares())
    assert largest.seed is not None
    assert second.seed is not None
    assert largest.seed < second.seed


def test_supervised_training_has_one_stream_of_training_examples(data: TrainingData) -> None:
    (step,) = next(training_steps(data, card_of(), config_of(batch_size=16), Shares()).steps(0))
    (batch,) = step
    np.testing.assert_array_equal(batch.targets.numpy(), data.train.targets[batch.ids.numpy()])


def val_batches(data: TrainingData, card: ModelCard, config: GradientDescent, size: int) -> Batches:
    """Those of a training with a validation split."""
    found = validation_batches(data.val, card, config, size, Shares())
    assert found is not None
    return found


def test_validation_keeps_the_order_of_the_split(data: TrainingData) -> None:
    (first,), *_ = val_batches(data, card_of(), config_of(), 8).steps(0)
    assert first.ids.tolist() == list(range(8))


def test_numbers_to_predict_are_in_the_scale_of_the_network(data: TrainingData) -> None:
    card = card_of(task="regress", target={"mean": 1.0, "std": 0.5})
    config = config_of(task={"kind": "regress", "loss": "mse"})
    (batch,) = next(val_batches(data, card, config, 30).steps(0))
    np.testing.assert_allclose(batch.targets.numpy(), (data.val.targets - 1) / 0.5)
