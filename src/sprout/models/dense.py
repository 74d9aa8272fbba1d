"""What the networks have in common."""

import math
from collections.abc import Sequence

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def dense(
    features: int, hidden: Sequence[int], outputs: int, *, batch_norm: bool, activation: str, dropout: float
) -> list[nn.Module]:
    """Hidden layers, each with normalisation, activation and dropout, and a last one: (N, features) → (N, outputs)."""
    layers: list[nn.Module] = []
    for units in hidden:
        layers.append(nn.Linear(features, units, bias=not batch_norm))
        layers += [nn.BatchNorm1d(units)] if batch_norm else []
        layers.append(ACTIVATIONS[activation]())
        layers += [nn.Dropout(dropout)] if dropout else []
        features = units
    return [*layers, nn.Linear(features, outputs)]


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


def linear(input_shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """A weighted sum of all features for each class: (N, C, H, W) or (N, F) → (N, outputs) logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), outputs))
