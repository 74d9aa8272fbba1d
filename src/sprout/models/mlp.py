"""A multilayer perceptron."""

import math
from collections.abc import Sequence

from torch import nn

from sprout.models.layers import dense


def mlp(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    hidden: Sequence[int],
    batch_norm: bool,
    activation: str,
    dropout: float,
) -> nn.Sequential:
    """Dense layers on the flattened example: (N, C, H, W) or (N, F) → (N, outputs)."""
    features = math.prod(input_shape)
    layers = dense(features, hidden, outputs, batch_norm=batch_norm, activation=activation, dropout=dropout)
    return nn.Sequential(nn.Flatten(), *layers)
