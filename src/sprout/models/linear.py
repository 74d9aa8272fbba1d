"""One dense layer, as logistic regression finds it."""

import math

from torch import nn


def linear(input_shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """A weighted sum of all features for each class: (N, C, H, W) or (N, F) → (N, outputs) logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), outputs))
