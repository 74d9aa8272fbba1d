"""Random numbers for a batch, an own stream for every example.

They are a function of (seed, epoch, example), not of a generator's state: resuming, the number of
processes and the order of batches then change nothing.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Draw = Callable[[int], Tensor]
"""`draw(k)`: k uniform numbers in [0, 1) for each example, (N, k); each call gives new ones."""

_MASK = (1 << 64) - 1


def draws(seed: int, epoch: int, ids: Tensor) -> Draw:
    """The source of random numbers for these examples in this epoch.

    Each number is a hash of (seed, epoch, example, which number): splitmix64 (Steele, Lea and Flood,
    "Fast splittable pseudorandom number generators", 2014), in whole numbers, so the same on every device.

    Args:
        seed: of the training or of the stage.
        epoch: 0 or more; −1 belongs to no training.
        ids: (N,) int64, which example each one is.
    """
    state: Tensor | None = None
    used = 0

    def draw(k: int) -> Tensor:
        nonlocal used, state
        if state is None:  # whoever draws nothing pays nothing
            key = mix(mix(torch.tensor(seed)) + epoch)
            state = mix(key + ids)  # a single number needs no copy to a GPU, which would wait
        numbers = torch.arange(used, used + k, device=ids.device)
        used += k
        bits = mix(state[:, None] + numbers * signed(0x9E3779B97F4A7C15))
        # 24 bits fit a float32 exactly.
        return shift_right(bits, 40).to(torch.float32) / (1 << 24)

    return draw


def mix(x: Tensor) -> Tensor:
    """splitmix64's finalizer on int64, whose products wrap as the original's do."""
    x = x + signed(0x9E3779B97F4A7C15)
    x = (x ^ shift_right(x, 30)) * signed(0xBF58476D1CE4E5B9)
    x = (x ^ shift_right(x, 27)) * signed(0x94D049BB133111EB)
    return x ^ shift_right(x, 31)


def shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift; torch's own keeps the sign."""
    return (x >> bits) & (_MASK >> bits)


def signed(value: int) -> int:
    """The same 64 bits as a signed number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def normal(draw: Draw, shape: torch.Size) -> Tensor:
    """Standard normal numbers for a batch of this shape (Box and Muller, 1958)."""
    each = math.prod(shape[1:])
    u = draw(2 * each)
    radius = torch.sqrt(-2 * torch.log1p(-u[:, :each]))
    return (radius * torch.cos(2 * math.pi * u[:, each:])).reshape(shape)


def centred(u: Tensor) -> Tensor:
    """From [0, 1) to [−1, 1)."""
    return 2 * u - 1
