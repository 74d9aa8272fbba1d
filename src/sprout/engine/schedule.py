"""How the learning rate goes over a training."""

import math
from collections.abc import Callable, Sequence


def schedule(
    name: str, warmup: float, drops: Sequence[float], drop: float | None, steps: int
) -> Callable[[int], float]:
    """The share of the learning rate at each step, 0 to 1.

    Args:
        name: constant, step, cosine or one_cycle.
        warmup: share of the steps that rise linearly.
        drops: shares of the steps after which the rate of `step` drops.
        drop: what each drop multiplies it by; of `step` alone.
        steps: of the whole training.
    """
    rising = warmup * steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = (step - rising) / max(1.0, steps - rising)
        falls: dict[str, Callable[[], float]] = {
            "constant": lambda: 1.0,
            "step": lambda: math.prod(drop or 1.0 for share in drops if step >= share * steps),
            "cosine": lambda: (1 + math.cos(math.pi * done)) / 2,
            "one_cycle": lambda: 1 - done,
        }
        return float(falls[name]())

    return factor
