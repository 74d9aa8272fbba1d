"""From stored examples to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def network_shape(stored: Sequence[int]) -> tuple[int, ...]:
    """The shape in which a network meets one example: (H, W, C) → (C, H, W); the row of a table stays (F,)."""
    *sides, channels = stored
    return (channels, *sides)


class Normalise(nn.Module):
    """Pixels, (N, H, W, C) uint8 → (N, C, H, W) float in 0..1, and rows, (N, F) float, as they are; from there
    each channel or feature to mean 0 and spread 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Take the training split's figures, one of each per channel or feature."""
        super().__init__()
        # Whole numbers in a summary are figures too: without the type, torch would count and divide in int64.
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32), persistent=False)

    def scale(self, stored: Tensor) -> Tensor:
        """Pixels to 0..1, channels first, while the memory stays channels last; rows keep their values."""
        if stored.ndim == 2:
            return stored.to(self.mean.dtype)
        return stored.permute(0, 3, 1, 2).to(self.mean.dtype) / 255

    def forward(self, scaled: Tensor) -> Tensor:
        """From `scale`'s values to mean 0 and spread 1."""
        each = (-1, *[1] * (scaled.ndim - 2))
        return (scaled - self.mean.view(each)) / self.std.view(each)
