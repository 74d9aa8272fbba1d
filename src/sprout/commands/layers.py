"""A network layer by layer: type, output shape and number of parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from sprout.models.build import count_parameters


@dataclass(frozen=True)
class Layer:
    """One call of a module without submodules."""

    name: str
    """Its path in the network, as in the names of the weights."""
    description: str
    """As torch prints it."""
    output: tuple[int, ...]
    """(C, H, W) or (F,) of one example."""
    parameters: int
    """Number of trained parameters; 0 where an earlier call of the same module has counted them."""


def list_layers(network: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers in the order in which one example passes them; the network is left as it was.

    Args:
        network: any.
        input_shape: (C, H, W) of one image, or (F,) of one row of a table.
    """
    layers: list[Layer] = []
    counted: set[nn.Module] = set()

    def record(name: str, module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            count = 0 if module in counted else count_parameters(module)
            layers.append(Layer(name, str(module), tuple(output.shape[1:]), count))
            counted.add(module)

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: record(name, module, output))
        for name, module in leaves
    ]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, *input_shape))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return layers


def layer_table(network: nn.Module, input_shape: tuple[int, ...]) -> Table:
    """Return a table with one row per layer and the total number of parameters."""
    layers, total = list_layers(network, input_shape), count_parameters(network)
    table = Table("", "layer", box=None, pad_edge=False)
    for head in ("output", "parameters"):
        table.add_column(head, justify="right")
    for layer in layers:
        table.add_row(layer.name, layer.description, format_shape(layer.output), f"{layer.parameters:,}")
    if rest := total - sum(layer.parameters for layer in layers):
        table.add_row("", "outside of these layers", "", f"{rest:,}")
    table.add_row("", "all", "", f"{total:,}")
    return table


def format_shape(shape: Sequence[int]) -> str:
    """Format a shape as channels×height×width."""
    return "×".join(map(str, shape))
