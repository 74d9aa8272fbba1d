"""The learning rate over a training."""

import math
from collections.abc import Callable

from sprout.config.train import Schedule


def make_schedule(config: Schedule, steps: int) -> Callable[[int], float]:
    """The function from a step to the learning rate's multiplier, 0 to 1.

    Args:
        config: the section.
        steps: of the whole training.
    """
    cycle = steps / config.cycles
    warmup = config.warmup * cycle

    def lr_multiplier(step: int) -> float:
        of_cycle = step % cycle if step < steps else cycle
        if of_cycle < warmup:
            return (of_cycle + 1) / (warmup + 1)
        progress = (of_cycle - warmup) / max(1.0, cycle - warmup)
        match config.name:
            case "constant":
                return 1.0
            case "step":
                return math.prod(config.gamma or 1.0 for share in config.milestones if step >= share * steps)
            case "cosine":
                return (1 + math.cos(math.pi * progress)) / 2
            case "one_cycle":
                return 1 - progress

    return lr_multiplier
