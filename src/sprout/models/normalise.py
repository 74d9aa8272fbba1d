"""From stored pixels to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """(N, H, W, C) uint8 → (N, C, H, W) float in 0..1, and from there to mean 0 and spread 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Take the training split's figures, one of each per channel."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def scale(self, images: Tensor) -> Tensor:
        """To 0..1, channels first; the memory stays channels last."""
        return images.permute(0, 3, 1, 2).to(self.mean.dtype) / 255

    def forward(self, scaled: Tensor) -> Tensor:
        """From 0..1 to mean 0 and spread 1."""
        return (scaled - self.mean) / self.std
