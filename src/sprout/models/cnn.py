"""A plain convolutional network."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from torch import nn

from sprout.config.model import Cnn
from sprout.models.dense import ACTIVATIONS, dense_layers
from sprout.runtime.errors import UserError

T = TypeVar("T")
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
NOT_DECREASING = ("relu", "leaky_relu", "elu", "tanh", "sigmoid")
"""Activations whose value never falls as the input rises."""


class Block(NamedTuple):
    """The settings of one block."""

    filters: int
    convolutions: int
    kernel: int
    """Side in pixels."""
    pool: int
    """Side and stride in pixels; 0 for no pooling."""
    dropout: float


def cnn(input_shape: tuple[int, ...], outputs: int, config: Cnn) -> nn.Sequential:
    """Blocks of convolutions, then dense layers: (N, C, H, W) → (N, outputs).

    Raises:
        UserError: the examples are not images, or too small for the convolutions and poolings.
    """
    if len(input_shape) != 3:
        raise UserError(
            f"model.name=cnn: the examples are rows of a table with {math.prod(input_shape)} features; a convolution "
            "needs images; accepted: mlp, or target"
        )
    channels, *size = input_shape
    layers: list[nn.Module] = []
    for number, block in enumerate(blocks(config), start=1):
        layers += block_layers(channels, block, config)
        size = [side_after(side, block, config.padding) for side in size]
        if min(size) < 1:
            raise UserError(
                f"model.channels={list(config.channels)}: nothing of {input_shape[1]}×{input_shape[2]} pixels is left "
                f"after block {number}; use fewer, a smaller model.kernel or model.pool, or model.padding=same"
            )
        channels = block.filters
    head = dense_layers(
        channels * math.prod(size),
        config.hidden,
        outputs,
        batch_norm=False,
        activation=config.activation,
        dropout=config.dropout,
    )
    return nn.Sequential(*layers, nn.Flatten(), *head)


def blocks(config: Cnn) -> list[Block]:
    """The settings of each block, first to last."""
    depth = len(config.channels)
    settings = (config.convolutions, config.kernel, config.pool, config.conv_dropout)
    return [Block(*values) for values in zip(config.channels, *(for_each(s, depth) for s in settings), strict=True)]


def for_each(value: T | Sequence[T], depth: int) -> Sequence[T]:
    """One value for each of `depth` blocks, from a single one or as many."""
    return value if isinstance(value, Sequence) else [value] * depth


def block_layers(channels: int, block: Block, config: Cnn) -> list[nn.Module]:
    """Convolutions, each with batch norm and activation, then pooling and dropout.

    Where the activation does not decrease, the maximum of its values is its value at the maximum: it comes after max
    pooling then, and has a quarter of the numbers to compute with windows of 2 × 2.
    """
    layers: list[nn.Module] = []
    for _ in range(block.convolutions):
        layers.append(
            nn.Conv2d(channels, block.filters, block.kernel, padding=config.padding, bias=not config.batch_norm)
        )
        layers += [nn.BatchNorm2d(block.filters)] if config.batch_norm else []
        layers.append(ACTIVATIONS[config.activation]())
        channels = block.filters
    if block.pool:
        swaps = config.pooling == "max" and config.activation in NOT_DECREASING
        layers.insert(len(layers) - swaps, POOLINGS[config.pooling](block.pool))
    layers += [nn.Dropout(block.dropout)] if block.dropout else []
    return layers


def side_after(side: int, block: Block, padding: str) -> int:
    """The image's side in pixels after a block, from its side before."""
    if padding == "valid":
        side -= block.convolutions * (block.kernel - 1)
    return side // block.pool if block.pool else side
