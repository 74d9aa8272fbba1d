"""From stored examples to a network's input."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sprout.data.store import Array


def network_shape(stored: Sequence[int]) -> tuple[int, ...]:
    """The shape of one example as the network takes it: (H, W, C) → (C, H, W); the row of a table stays (F,)."""
    *sides, channels = stored
    return (channels, *sides)


class Normalise(nn.Module):
    """Scales stored examples, then brings each channel or feature to mean 0 and standard deviation 1.

    The two steps are separate, as augmentation and reconstruction work on pixels in 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Take mean and standard deviation of the training split, one per channel or feature."""
        super().__init__()
        # A summary may hold whole numbers, of which torch would make int64 without the dtype.
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32), persistent=False)

    def scale(self, stored: Tensor) -> Tensor:
        """(N, H, W, C) uint8 → (N, C, H, W) float in 0..1, in channels-last memory; (N, F) rows keep their values."""
        if stored.ndim == 2:
            return stored.to(self.mean.dtype)
        return stored.permute(0, 3, 1, 2).to(self.mean.dtype) / 255

    def forward(self, scaled: Tensor) -> Tensor:
        """What `scale` returns → the same shape, mean 0 and standard deviation 1 on the training split."""
        shape = (-1, *[1] * (scaled.ndim - 2))
        return (scaled - self.mean.view(shape)) / self.std.view(shape)


def network_inputs(examples: Array, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Stored examples as a network takes them: (N, H, W, C) uint8 → (N, C, H, W), (N, F) → (N, F), float32."""
    normalise = Normalise(mean, std)
    inputs: Tensor = normalise(normalise.scale(torch.from_numpy(examples)))
    return inputs
