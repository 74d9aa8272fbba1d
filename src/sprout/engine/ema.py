"""An exponential moving average of the weights, which often does better than the last ones (Polyak and Juditsky, 1992).

It has a network of its own in evaluation mode, so that a learner can label examples by it between two steps.

Not torch's `swa_utils.AveragedModel`: it takes 0.24 ms a step of a small CNN on a CPU, this 0.04 ms of a step's 1.8.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a network's weights and running statistics, as a network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start from the present weights."""
        self.decay = decay
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.watched, self.averages = floats(network), floats(self.network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after this step, counted from 0; the decay grows over the first steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, self.watched, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the averages while the block runs."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the averages and the weights."""
        for average, weight in zip(self.averages, self.watched, strict=True):
            held = weight.clone()
            weight.copy_(average)
            average.copy_(held)

    def state_dict(self) -> list[Tensor]:
        """The averages."""
        return self.averages

    def load_state_dict(self, averages: list[Tensor]) -> None:
        """Resume from there.

        Raises:
            ValueError: they are those of another network; nothing has changed.
        """
        if [mine.shape for mine in self.averages] != [given.shape for given in averages]:
            raise ValueError("its averages are those of another network")
        for mine, given in zip(self.averages, averages, strict=True):
            mine.copy_(given)


def floats(network: nn.Module) -> list[Tensor]:
    """The weights and running statistics; not batch norm's counters."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
