"""Which layers of a network learn, and at which learning rate, in each epoch.

Gradual unfreezing, with lower rates for earlier layers: Howard and Ruder, "Universal language model fine-tuning for
text classification", ACL 2018.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from sprout.config.train import Unfreeze
from sprout.runtime.errors import UserError
from sprout.weights.warm_start import head_of


class Unfreezing:
    """The layers of a network in groups: the head, then the others from the deepest to the first."""

    def __init__(self, network: nn.Module, config: Unfreeze | None) -> None:
        """Split the network into groups.

        Args:
            network: any network; one with a dense layer at its end if config is not None.
            config: when each group joins the head; None lets all layers learn from the start.

        Raises:
            UserError: the network has no dense layer, or fewer layers than groups.
        """
        self.epochs: Sequence[int] = config.epochs if config else ()
        self.multipliers: Sequence[float] = config.lr_multipliers if config else ()
        self.modules = split_layers(network, len(self.epochs)) if config else [[*network.modules()]]
        self.layer_groups = own_parameters(self.modules)

    def lr_multipliers(self, epoch: int) -> list[float]:
        """The learning rate of each group, as a multiple of the base learning rate; 0 for a frozen group."""
        joined = zip(self.epochs, self.multipliers, strict=True)
        return [1.0, *(multiplier if epoch >= first else 0.0 for first, multiplier in joined)]

    def enter(self, epoch: int) -> bool:
        """Freeze the layers that do not learn in this epoch, with their statistics; return whether that is a change."""
        changed = False
        for modules, parameters, rate in zip(self.modules, self.layer_groups, self.lr_multipliers(epoch), strict=True):
            for parameter in parameters:
                changed = changed or parameter.requires_grad != (rate > 0)
                parameter.requires_grad_(rate > 0)
            for module in modules:
                if not rate and has_statistics(module):
                    module.training = False  # `eval` would reach inner modules, which belong to other groups
        return changed


def split_layers(network: nn.Module, count: int) -> list[list[nn.Module]]:
    """The head, then the other layers in `count` groups of about equal size, deepest first.

    A layer is any module with parameters or running statistics of its own, even if it has inner modules, as attention
    or a transformer with position embeddings has.

    Raises:
        UserError: there are fewer layers than groups.
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


def own_parameters(groups: list[list[nn.Module]]) -> list[list[nn.Parameter]]:
    """The parameters of each group; a shared one belongs to the first group that has it."""
    seen: set[int] = set()
    found: list[list[nn.Parameter]] = []
    for modules in groups:
        own = {id(p): p for module in modules for p in module.parameters(recurse=False) if id(p) not in seen}
        seen |= own.keys()
        found.append([*own.values()])
    return found


def has_statistics(module: nn.Module) -> bool:
    """Whether a module has buffers, such as the running statistics of batch norm."""
    return any(True for _ in module.buffers(recurse=False))
