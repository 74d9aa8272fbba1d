"""A plain convolutional network."""

import math
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

from sprout.models.dense import ACTIVATIONS, dense
from sprout.runtime.errors import UserError

T = TypeVar("T")
POOLINGS: dict[str, type[nn.MaxPool2d] | type[nn.AvgPool2d]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


def cnn(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    channels: Sequence[int],
    convolutions: int | Sequence[int],
    kernel: int | Sequence[int],
    padding: str,
    pool: int | Sequence[int],
    pooling: str,
    batch_norm: bool,
    conv_dropout: float | Sequence[float],
    hidden: Sequence[int],
    activation: str,
    dropout: float,
) -> nn.Sequential:
    """Blocks of convolutions, then dense layers: (N, C, H, W) → (N, outputs).

    Raises:
        UserError: the examples are no images, or too small for the convolutions and poolings.
    """
    if len(input_shape) != 3:
        raise UserError(
            f"model.name=cnn: the examples are rows of a table with {math.prod(input_shape)} features; only images "
            f"have the height and width that a convolution slides over; accepted: mlp, or target"
        )
    depth = len(channels)
    blocks = zip(
        channels,
        each(convolutions, depth),
        each(kernel, depth),
        each(pool, depth),
        each(conv_dropout, depth),
        strict=True,
    )
    inputs, height, width = input_shape
    layers: list[nn.Module] = []
    for number, (filters, repeats, side, window, drop) in enumerate(blocks, start=1):
        layers += block(inputs, filters, repeats, side, padding, batch_norm, activation)
        layers += [POOLINGS[pooling](window)] if window else []
        layers += [nn.Dropout(drop)] if drop else []
        height, width = (shrunk(pixels, repeats, side, padding, window) for pixels in (height, width))
        if min(height, width) < 1:
            raise UserError(
                f"model.channels={list(channels)}: nothing of {input_shape[1]}×{input_shape[2]} pixels is left "
                f"after block {number}; use fewer, a smaller model.kernel or model.pool, or model.padding=same"
            )
        inputs = filters
    flat = inputs * height * width
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        *dense(flat, hidden, outputs, batch_norm=False, activation=activation, dropout=dropout),
    )


def each(given: T | Sequence[T], depth: int) -> Sequence[T]:
    """One value for each block."""
    return given if isinstance(given, Sequence) else [given] * depth


def block(
    inputs: int, filters: int, repeats: int, kernel: int, padding: str, batch_norm: bool, activation: str
) -> list[nn.Module]:
    """Convolutions, each with its normalisation and activation."""
    layers: list[nn.Module] = []
    for _ in range(repeats):
        layers.append(nn.Conv2d(inputs, filters, kernel, padding=padding, bias=not batch_norm))
        layers += [nn.BatchNorm2d(filters)] if batch_norm else []
        layers.append(ACTIVATIONS[activation]())
        inputs = filters
    return layers


def shrunk(side: int, repeats: int, kernel: int, padding: str, pool: int) -> int:
    """The side after one block."""
    if padding == "valid":
        side -= repeats * (kernel - 1)
    return side // pool if pool else side
