"""A multilayer perceptron."""

import math
from collections.abc import Sequence

from torch import nn

from sprout.models.layers import dense


def mlp(
    input_shape: tuple[int, ...], classes: int, *, hidden: Sequence[int], activation: str, dropout: float
) -> nn.Sequential:
    """Dense layers on the flattened example: (N, C, H, W) or (N, F) → (N, classes)."""
    blocks, features = dense(math.prod(input_shape), hidden, activation)
    layers: list[nn.Module] = [nn.Flatten()]
    for linear in blocks:
        layers += [*linear, nn.Dropout(dropout)] if dropout else [*linear]
    return nn.Sequential(*layers, nn.Linear(features, classes))
