"""The batches of a training, for the loop on Fabric and for a Trainer."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from sprout.config.train import GradientDescent
from sprout.data.dataset import Examples, TrainingData
from sprout.data.loader import Batches, Shares, Step, StepLoader
from sprout.engine.device import on_device
from sprout.methods.base import Source, Stream
from sprout.models.card import ModelCard

STREAM_SEED = 2_147_483_659
"""Added to the seed for each further stream; a prime above all seeds."""


def training_steps(data: TrainingData, card: ModelCard, config: GradientDescent, shares: Shares) -> StepLoader:
    """The steps of a training, each with a batch of every stream of the method.

    Raises:
        ValueError: the method needs the unlabelled pool, and the data has none.
    """
    return StepLoader(
        [
            stream_batches(examples_of(stream, data), number, stream, card, config, shares)
            for number, stream in enumerate(config.method.streams)
        ],
        config.steps_per_epoch,
    )


def examples_of(stream: Stream, data: TrainingData) -> Examples:
    """The examples of a stream.

    Raises:
        ValueError: the method needs the unlabelled pool, and the data has none.
    """
    if stream.source is Source.TRAIN:
        return data.train
    if not data.pool:
        raise ValueError("TrainingData.pool: has no example, and the method learns from unlabelled examples too")
    return data.pool


def stream_batches(
    examples: Examples, number: int, stream: Stream, card: ModelCard, config: GradientDescent, shares: Shares
) -> Batches:
    """The batches of a stream; each has an order and random draws of its own, by its number."""
    known = stream.source is Source.TRAIN
    targets = config.task.network_targets(examples.targets, card) if known else np.zeros(len(examples), np.int64)
    size = stream.size(config.batch_size)
    return Batches(examples, size, targets=targets, seed=config.seed + number * STREAM_SEED, shares=shares)


def validation_batches(
    val: Examples | None, card: ModelCard, config: GradientDescent, batch_size: int, shares: Shares
) -> Batches | None:
    """The batches of the validation split, in its order; None if there is no such split."""
    if val is None:
        return None
    return Batches(val, batch_size, targets=config.task.network_targets(val.targets, card), shares=shares)


class TrainingDataModule(pl.LightningDataModule):
    """The same batches for `pl.Trainer`, which must have the `accumulate_grad_batches` of the section."""

    def __init__(
        self, data: TrainingData, card: ModelCard, config: GradientDescent, val_batch_size: int = 1000
    ) -> None:
        """Take the examples, the model card, the section, and the batch size of validation."""
        super().__init__()
        self.data, self.card, self.config, self.val_batch_size = data, card, config, val_batch_size

    @property
    def shares(self) -> Shares:
        """The share of this process in a step."""
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        return Shares(rank, world, self.config.accumulate_grad_batches)

    def train_dataloader(self) -> "MicroBatches":
        """The training steps of the current epoch of the Trainer."""
        steps = training_steps(self.data, self.card, self.config, self.shares)
        return MicroBatches(steps, lambda: self.trainer.current_epoch if self.trainer else 0)

    def val_dataloader(self) -> "MicroBatches | list[Step]":
        """The validation batches; none without a validation split."""
        shares = self.shares._replace(micro_batches=1)
        batches = validation_batches(self.data.val, self.card, self.config, self.val_batch_size, shares)
        return [] if batches is None else MicroBatches(StepLoader([batches]), lambda: 0)

    def transfer_batch_to_device(self, step: Any, device: torch.device, dataloader_idx: int) -> Step:
        """The batch of each stream, on the device."""
        return tuple(on_device(batch, device) for batch in step)


class MicroBatches:
    """The micro-batches of an epoch, in place of a DataLoader."""

    def __init__(self, steps: StepLoader, epoch: Callable[[], int]) -> None:
        """Take the steps, and a function that returns the epoch when an iteration begins."""
        self.steps, self.epoch = steps, epoch

    def __len__(self) -> int:
        """How many micro-batches an epoch has."""
        return len(self.steps) * self.steps.micro_batches

    def __iter__(self) -> Iterator[Step]:
        """The micro-batches of the epoch, each with a batch of each stream."""
        for micro_batches in self.steps.steps(self.epoch()):
            yield from micro_batches
