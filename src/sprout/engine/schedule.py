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
    warmup = config.warmup * steps

    def lr_multiplier(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1.0, steps - warmup)
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
