"""Which parts of a network learn, and how fast, in each epoch.

Gradual unfreezing, with lower rates for earlier layers: Howard and Ruder, "Universal language model fine-tuning for
text classification", ACL 2018.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from sprout.models.weights.start import head_of
from sprout.runtime.errors import UserError


class Unfreezing:
    """The parts of a network: its head, then the rest from the deepest to the first layers."""

    def __init__(self, network: nn.Module, unfreeze: dict[str, Any] | None) -> None:
        """Cut the network into parts.

        Args:
            network: any; with a dense layer at its end where parts join in.
            unfreeze: `epochs`, at which each part joins the head, and its share of the learning rate, `rates`; None
                lets everything learn from the start.

        Raises:
            UserError: the network has no dense layer, or fewer layers than parts.
        """
        self.epochs: Sequence[int] = unfreeze["epochs"] if unfreeze else ()
        self.shares: Sequence[float] = unfreeze["rates"] if unfreeze else ()
        self.modules = cut(network, len(self.epochs)) if unfreeze else [[*network.modules()]]
        self.parts = owned(self.modules)

    def rates(self, epoch: int) -> list[float]:
        """Each part's share of the learning rate, 0 for a frozen one."""
        joined = [share if epoch >= first else 0.0 for first, share in zip(self.epochs, self.shares, strict=True)]
        return [1.0, *joined]

    def enter(self, epoch: int) -> bool:
        """Freeze what does not learn in this epoch, running statistics too; whether other parts learn than before."""
        changed = False
        for modules, parameters, rate in zip(self.modules, self.parts, self.rates(epoch), strict=True):
            for parameter in parameters:
                changed = changed or parameter.requires_grad != (rate > 0)
                parameter.requires_grad_(rate > 0)
            for module in modules:
                if not rate and has_statistics(module):
                    module.training = False  # `eval` would reach what lies inside of it, in other parts
        return changed


def cut(network: nn.Module, count: int) -> list[list[nn.Module]]:
    """The head, then the other layers in so many parts of about as many layers each, deepest first.

    A layer is any module with parameters or running statistics of its own, also one that holds others: attention, or a
    transformer with its positions.

    Raises:
        UserError: there are fewer layers.
    """
    head = network.get_submodule(head_of(network))
    layers = [
        module
        for module in network.modules()
        if module is not head and (any(True for _ in module.parameters(recurse=False)) or has_statistics(module))
    ]
    if len(layers) < count:
        raise UserError(
            f"unfreeze.epochs: has {count} values, and layers that can join the head: {len(layers)}; give no more "
            "epochs than that, or unfreeze: null"
        )
    edges = [round(number * len(layers) / count) for number in range(count + 1)]
    return [[head], *(layers[low:high] for low, high in reversed(list(pairwise(edges))))]


def owned(parts: list[list[nn.Module]]) -> list[list[nn.Parameter]]:
    """The modules' own parameters; one that several of them share is with the first part that has it."""
    seen: set[int] = set()
    found: list[list[nn.Parameter]] = []
    for modules in parts:
        own = {id(p): p for module in modules for p in module.parameters(recurse=False) if id(p) not in seen}
        seen |= own.keys()
        found.append([*own.values()])
    return found


def has_statistics(module: nn.Module) -> bool:
    """Whether it keeps numbers that are not learned, such as batch norm's."""
    return any(True for _ in module.buffers(recurse=False))
