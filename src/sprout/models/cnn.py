"""A plain convolutional network."""

import math
from collections.abc import Sequence

from torch import nn

from sprout.core.errors import UserError
from sprout.models.layers import ACTIVATIONS, dense


def cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    channels: Sequence[int],
    kernel: int,
    padding: str,
    pool: int,
    batch_norm: bool,
    hidden: Sequence[int],
    activation: str,
    dropout: float,
) -> nn.Sequential:
    """Convolutions, then dense layers: (N, C, H, W) → (N, classes).

    Raises:
        UserError: the examples are no images, or too small for the convolutions and poolings.
    """
    if len(input_shape) != 3:
        raise UserError(
            f"model.name=cnn: the examples are rows of a table with {math.prod(input_shape)} features; only images "
            f"have the height and width that a convolution slides over; accepted: mlp, or target"
        )
    inputs, height, width = input_shape
    layers: list[nn.Module] = []
    for number, filters in enumerate(channels):
        layers += block(inputs, filters, kernel, padding, pool, batch_norm, activation)
        height, width = (shrunk(side, kernel, padding, pool) for side in (height, width))
        if min(height, width) < 1:
            raise UserError(
                f"model.channels={list(channels)}: nothing of {input_shape[1]}×{input_shape[2]} pixels is left "
                f"after convolution {number + 1}; use fewer, a smaller model.kernel or model.pool, or "
                f"model.padding=same"
            )
        inputs = filters
    layers.append(nn.Flatten())
    blocks, features = dense(inputs * height * width, hidden, activation)
    for linear in [*blocks, nn.Sequential(nn.Linear(features, classes))]:
        layers += [nn.Dropout(dropout), *linear] if dropout else [*linear]
    return nn.Sequential(*layers)


def block(
    inputs: int, filters: int, kernel: int, padding: str, pool: int, batch_norm: bool, activation: str
) -> list[nn.Module]:
    """One convolution and what follows it."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, filters, kernel, padding=padding, bias=not batch_norm)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(filters))
    layers.append(ACTIVATIONS[activation]())
    if pool:
        layers.append(nn.MaxPool2d(pool))
    return layers


def shrunk(side: int, kernel: int, padding: str, pool: int) -> int:
    """The side after one block."""
    if padding == "valid":
        side -= kernel - 1
    return side // pool if pool else side
