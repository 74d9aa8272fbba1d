"""All-reduces among the processes of a training: sums, and whether to write a checkpoint or to end."""

import time
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

MAX_STEPS, MAX_SECONDS = 8, 5.0
"""At most this long between two all-reduces of `any`."""


class ProcessSync:
    """All-reduces among all processes; every process calls the same methods in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        """Take the devices; the first call of `any` all-reduces."""
        self.fabric = fabric
        self.steps_left, self.steps_since, self.last_time = 1, 0, time.monotonic()

    def total(self, mine: Tensor) -> list[float]:
        """The sum over all processes: (n,) → n numbers."""
        if self.fabric.world_size > 1:
            mine = cast(Tensor, self.fabric.all_reduce(mine.to(self.fabric.device), reduce_op="sum"))
        total: list[float] = mine.tolist()
        return total

    def same(self, mine: int) -> bool:
        """Whether all processes have the same number."""
        world = self.fabric.world_size
        # Only equal numbers have this sum and this sum of squares.
        return self.total(torch.tensor([mine, mine**2], dtype=torch.float64)) == [world * mine, world * mine**2]

    def any(self, *mine: bool) -> list[bool]:
        """Whether each flag is true in any process.

        With several processes it all-reduces every few calls, and returns False in between.
        """
        if self.fabric.world_size == 1:
            return list(mine)
        self.steps_left -= 1
        self.steps_since += 1
        if self.steps_left:
            return [False] * len(mine)
        now = time.monotonic()
        *counts, seconds = self.total(torch.tensor([*mine, now - self.last_time], dtype=torch.float64))
        # The same number in all processes, as `seconds` is a sum over all.
        steps = MAX_SECONDS * self.steps_since * self.fabric.world_size / seconds
        self.steps_left, self.steps_since = max(1, min(MAX_STEPS, int(steps))), 0
        self.last_time = now
        return [count > 0 for count in counts]
