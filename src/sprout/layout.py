"""A network layer by layer: what each one is, what leaves it, and how many numbers it trains."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sprout.models import parameters


@dataclass(frozen=True)
class Layer:
    """One call of a module that holds no others."""

    name: str
    """Its place in the network, as in the names of the weights."""
    what: str
    """As torch writes it."""
    output: tuple[int, ...]
    """(C, H, W) or (F,) of one example."""
    parameters: int
    """Numbers that are trained; 0 where an earlier call of the same module has counted them."""


def layout(network: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """The layers that one example passes, in its order.

    Args:
        network: any.
        input_shape: (C, H, W) of one image, or (F,) of one row of a table.
    """
    found: list[Layer] = []
    seen: set[nn.Module] = set()

    def note(name: str, module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            count = 0 if module in seen else parameters(module)
            found.append(Layer(name, str(module), tuple(output.shape[1:]), count))
            seen.add(module)

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
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
    return found
