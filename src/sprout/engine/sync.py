"""What the processes of one training settle together: sums over all of them, and whether to write or to end."""

import time
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

STEPS_BETWEEN_TALKS, SECONDS_BETWEEN_TALKS = 8, 5.0
"""So often, at least, they talk."""


class ProcessSync:
    """Between all processes; each calls the same methods in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        """Take the devices; the first call of `any` is a talk."""
        self.fabric = fabric
        self.steps_to_talk, self.steps_since_talk, self.talked = 1, 0, time.monotonic()

    def total(self, mine: Tensor) -> list[float]:
        """The sum over all processes."""
        if self.fabric.world_size > 1:
            mine = cast(Tensor, self.fabric.all_reduce(mine.to(self.fabric.device), reduce_op="sum"))
        found: list[float] = mine.tolist()
        return found

    def same(self, mine: int) -> bool:
        """Whether all processes give the same number."""
        world = self.fabric.world_size
        # Sum and sum of squares are these only where all are the same.
        return self.total(torch.tensor([mine, mine**2], dtype=torch.float64)) == [world * mine, world * mine**2]

    def any(self, *mine: bool) -> list[bool]:
        """What any process says of each question; several talk about it now and then, and say no in between."""
        if self.fabric.world_size == 1:
            return list(mine)
        self.steps_to_talk -= 1
        self.steps_since_talk += 1
        if self.steps_to_talk:
            return [False] * len(mine)
        now = time.monotonic()
        *said, seconds = self.total(torch.tensor([*mine, now - self.talked], dtype=torch.float64))
        # The same number for all, as it comes from the sum over all.
        steps = SECONDS_BETWEEN_TALKS * self.steps_since_talk * self.fabric.world_size / seconds
        self.steps_to_talk, self.steps_since_talk = max(1, min(STEPS_BETWEEN_TALKS, int(steps))), 0
        self.talked = now
        return [count > 0 for count in said]
