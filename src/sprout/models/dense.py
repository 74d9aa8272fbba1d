"""Networks of dense layers, and the activations that all networks choose from."""

import math
from collections.abc import Sequence

from torch import nn

from sprout.config.model import Activation, Mlp

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def mlp(input_shape: tuple[int, ...], outputs: int, config: Mlp) -> nn.Sequential:
    """Dense layers on the flattened example: (N, C, H, W) or (N, F) → (N, outputs)."""
    layers = dense_layers(
        math.prod(input_shape),
        config.hidden,
        outputs,
        batch_norm=config.batch_norm,
        activation=config.activation,
        dropout=config.dropout,
    )
    return nn.Sequential(nn.Flatten(), *layers)


def linear(input_shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """One dense layer on the flattened example: (N, C, H, W) or (N, F) → (N, outputs)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), outputs))


def dense_layers(
    features: int, hidden: Sequence[int], outputs: int, *, batch_norm: bool, activation: Activation, dropout: float
) -> list[nn.Module]:
    """Hidden layers, each with batch norm, activation and dropout, then the head: (N, features) → (N, outputs)."""
    layers: list[nn.Module] = []
    for units in hidden:
        layers.append(nn.Linear(features, units, bias=not batch_norm))
        layers += [nn.BatchNorm1d(units)] if batch_norm else []
        layers.append(ACTIVATIONS[activation]())
        layers += [nn.Dropout(dropout)] if dropout else []
        features = units
    return [*layers, nn.Linear(features, outputs)]
