"""Random numbers for a batch, a stream of its own for each example.

They are a function of (seed, epoch, example) and not of a generator's state: resuming, the number of processes and the
order of batches change nothing.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Draw = Callable[[int], Tensor]
"""`draw(k)`: k uniform numbers in [0, 1) for each example, (N, k) float32; each call gives new ones."""

OUTSIDE = -1
"""The epoch of what no training draws: the copies, and the noise of images that are measured."""
GAMMA = 0x9E3779B97F4A7C15
"""The step of splitmix64's sequence."""
MASK = (1 << 64) - 1


def draws(seed: int, epoch: int, ids: Tensor) -> Draw:
    """The random numbers of these examples in this epoch.

    Each is a hash of (seed, epoch, example, position in its stream): splitmix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", 2014), in integers and so the same on every device.

    Args:
        seed: of the training or of the stage.
        epoch: of the training, from 0; or `OUTSIDE`.
        ids: (N,) int64, which examples these are.
    """
    state: Tensor | None = None
    used = 0

    def draw(k: int) -> Tensor:
        nonlocal used, state
        if state is None:  # computed at the first call: many batches draw nothing
            key = mix(mix(torch.tensor(seed)) + epoch)
            state = mix(key + ids)  # `key` stays on the CPU: a copy to a GPU would wait for it
        numbers = torch.arange(used, used + k, device=ids.device)
        used += k
        bits = mix(state[:, None] + numbers * signed(GAMMA))
        # 24 bits fit a float32 exactly.
        return shift_right(bits, 40).to(torch.float32) / (1 << 24)

    return draw


def mix(x: Tensor) -> Tensor:
    """splitmix64's finalizer on int64, whose products wrap as the original's do."""
    x = x + signed(GAMMA)
    x = (x ^ shift_right(x, 30)) * signed(0xBF58476D1CE4E5B9)
    x = (x ^ shift_right(x, 27)) * signed(0x94D049BB133111EB)
    return x ^ shift_right(x, 31)


def shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64; torch's own repeats the sign."""
    return (x >> bits) & (MASK >> bits)


def signed(value: int) -> int:
    """The int64 with the bits of a uint64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def normal(draw: Draw, shape: torch.Size) -> Tensor:
    """Standard normal numbers for a batch of this shape (Box and Muller, 1958)."""
    each = math.prod(shape[1:])
    u = draw(2 * each)
    radius = torch.sqrt(-2 * torch.log1p(-u[:, :each]))
    return (radius * torch.cos(2 * math.pi * u[:, each:])).reshape(shape)


def centred(u: Tensor) -> Tensor:
    """Map [0, 1) to [−1, 1)."""
    return 2 * u - 1
