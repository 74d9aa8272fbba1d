"""Batches of examples, step by step, from one or more streams."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sprout.augment.draws import OUTSIDE
from sprout.data.dataset import Examples
from sprout.data.store import Array


class Batch(NamedTuple):
    """The examples of one stream in a micro-batch of a step, on one process."""

    inputs: Tensor
    """(N, H, W, C) uint8 pixels, or (N, F) float32 rows of a table."""
    targets: Tensor
    """(N,) int64 class indices or float32 numbers; zeros where there is none."""
    ids: Tensor
    """(N,) int64, the index of each example in its stream."""
    keys: Tensor
    """(N,) int64; the random draws of an example are a function of seed, epoch and key."""
    seed: int
    epoch: int
    """The epoch; in a stream that starts over when it is used up, the step of the training."""
    num_valid: int
    """The first `num_valid` examples count; any others are repeats, so that no process has an empty batch."""
    global_batch_size: int
    """How many examples count in the step, over all micro-batches and processes."""


Step = tuple[Batch, ...]
"""A batch of each stream."""


class Shares(NamedTuple):
    """How the examples of a step are divided among processes and micro-batches."""

    rank: int = 0
    world: int = 1
    micro_batches: int = 1

    def select(self, ids: Array, micro_batch: int) -> Array:
        """The examples of one micro-batch of this process: (n,) → (m,)."""
        count = self.world * self.micro_batches
        return ids[micro_batch * self.world + self.rank :: count] if count > 1 else ids


WHOLE_STEP = Shares()


class Batches:
    """The batches of one stream, epoch after epoch."""

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        targets: Array,
        seed: int | None = None,
        shares: Shares = WHOLE_STEP,
    ) -> None:
        """Divide examples into batches.

        Args:
            examples: those of the stream.
            batch_size: examples in a step, over all processes.
            targets: (N,) in the scale of the network.
            seed: of the order, which is a function of (seed, epoch); None keeps the order of the examples, with the
                random draws of an evaluation.
            shares: how a step is divided.
        """
        self.examples, self.targets = examples, torch.from_numpy(np.ascontiguousarray(targets))
        self.batch_size, self.seed, self.shares = batch_size, seed, shares
        self.last_order: tuple[int, Array] | None = None

    def __len__(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.examples) // self.batch_size)

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """The steps of an epoch from `start` on, each as its micro-batches."""
        order, draw_epoch = self.order(epoch), OUTSIDE if self.seed is None else epoch
        for first in range(start * self.batch_size, len(order), self.batch_size):
            yield self.micro_batches(order[first : first + self.batch_size], draw_epoch)

    def endless_step(self, step: int) -> list[Batch]:
        """The step of this number, counted over the whole training, of a stream that starts over when it is used up.

        Each step has random draws of its own, and so has each occurrence of an example in it.
        """
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, ids = np.divmod(places, len(self.examples))
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            ids[inside] = self.order(int(epoch))[ids[inside]]
        return self.micro_batches(ids, step, np.arange(self.batch_size))

    def order(self, epoch: int) -> Array:
        """The examples in the order of an epoch: (N,) int64."""
        if self.seed is None:
            return np.arange(len(self.examples))
        if self.last_order is None or self.last_order[0] != epoch:
            self.last_order = None  # not two of them in memory
            self.last_order = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.examples))
        return self.last_order[1]

    def micro_batches(self, step: Array, epoch: int, keys: Array | None = None) -> list[Batch]:
        """This process's micro-batches of a step: (n,) ids, and (n,) keys of their draws, by default the ids."""
        return [
            self.batch(
                self.shares.select(step, number),
                step,
                epoch,
                None if keys is None else self.shares.select(keys, number),
            )
            for number in range(self.shares.micro_batches)
        ]

    def batch(self, share: Array, step: Array, epoch: int, keys: Array | None = None) -> Batch:
        """One micro-batch: the ids of this share (m,) of a step (n,); the keys of their draws, by default the ids."""
        # A process without an example would have no gradient: an empty share repeats one.
        ids = torch.from_numpy(share if len(share) else step[:1])
        inputs = torch.from_numpy(self.examples.take(ids.numpy()))
        of_draws = ids if keys is None or not len(share) else torch.from_numpy(keys)
        return Batch(inputs, self.targets[ids], ids, of_draws, self.seed or 0, epoch, len(share), len(step))

    def smallest(self) -> int:
        """How many examples the smallest batch of a process has."""
        count = len(self.examples)
        last = count % self.batch_size or min(count, self.batch_size)
        return max(1, last // (self.shares.world * self.shares.micro_batches))


class StepLoader:
    """The steps of a training: an epoch is a pass over the first stream, or has a given number of steps.

    A stream that does not define the epochs starts over when it is used up.
    """

    def __init__(self, streams: Sequence[Batches], steps_per_epoch: int | None = None) -> None:
        """Take the streams of a method, one at least, and the number of steps of an epoch, if it is given."""
        self.streams, self.steps_per_epoch = streams, steps_per_epoch

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self.steps_per_epoch or len(self.streams[0])

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a step."""
        return self.streams[0].shares.micro_batches

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Step]]:
        """The steps of an epoch from `start` on, each as its micro-batches."""
        numbers = range(start + epoch * len(self), (epoch + 1) * len(self))
        if self.steps_per_epoch:
            for number in numbers:
                yield list(zip(*(stream.endless_step(number) for stream in self.streams), strict=True))
            return
        first, *others = self.streams
        for number, of_first in zip(numbers, first.steps(epoch, start), strict=True):
            yield list(zip(of_first, *(stream.endless_step(number) for stream in others), strict=True))
