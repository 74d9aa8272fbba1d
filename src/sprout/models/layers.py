"""What the networks have in common."""

from collections.abc import Sequence

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def dense(features: int, hidden: Sequence[int], activation: str) -> tuple[list[nn.Sequential], int]:
    """Dense layers, each with its activation; also the number of features that leave the last."""
    layers = []
    for units in hidden:
        layers.append(nn.Sequential(nn.Linear(features, units), ACTIVATIONS[activation]()))
        features = units
    return layers, features
