"""Which parts of a network learn, and how fast, in each epoch.

Gradual unfreezing, with lower rates for earlier layers: Howard and Ruder, "Universal language model fine-tuning for
text classification", ACL 2018.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from sprout.models.transfer import head_of


class Unfreezing:
    """The parts of a network: its head, then the rest from the deepest to the first layers."""

    def __init__(self, network: nn.Module, unfreeze: dict[str, Any] | None) -> None:
        """Cut the network into parts.

        Args:
            network: any.
            unfreeze: `epochs`, at which each part joins the head, and its share of the learning rate, `rates`; None
                lets everything learn from the start.
        """
        self.epochs: Sequence[int] = unfreeze["epochs"] if unfreeze else ()
        self.shares: Sequence[float] = unfreeze["rates"] if unfreeze else ()
        self.modules = cut(network, len(self.epochs)) if unfreeze else [[network]]
        named = [[p for module in part for p in module.parameters()] for part in self.modules]
        held = {id(p) for part in named for p in part}
        # What belongs to no layer, such as a transformer's positions, is with the first layers.
        self.parts = [*named[:-1], [*named[-1], *(p for p in network.parameters() if id(p) not in held)]]

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
            if not rate:
                for module in modules:
                    module.eval()
        return changed


def cut(network: nn.Module, count: int) -> list[list[nn.Module]]:
    """The head, then the other layers with weights in so many parts of about as many layers each, deepest first."""
    head = head_of(network)
    layers = [
        module
        for name, module in network.named_modules()
        if name != head and not list(module.children()) and list(module.parameters())
    ]
    edges = [round(number * len(layers) / count) for number in range(count + 1)]
    return [[network.get_submodule(head)], *(layers[low:high] for low, high in reversed(list(pairwise(edges))))]
