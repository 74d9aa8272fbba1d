"""Optimizers by name."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from sprout.config.environment import call_arguments
from sprout.config.train import OPTIMIZERS, Optimizer
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass

FUSED = ("adam", "adamw", "sgd")
"""Optimizers with a fused kernel for all parameters, on the CPU too."""


def make_optimizer(
    layer_groups: Sequence[Sequence[nn.Parameter]], lr: float, config: Optimizer, *, fused: bool = True
) -> torch.optim.Optimizer:
    """Build an optimizer.

    Args:
        layer_groups: the parameters, in groups with a learning rate each; the key `layer_group` of a parameter group of
            the optimizer is its index here.
        lr: base learning rate.
        config: the section.
        fused: whether one fused kernel may update all parameters.

    Raises:
        UserError: there is no such class, or it does not take the arguments.
    """
    kind: Callable[..., torch.optim.Optimizer] = subclass(
        "optimizer.name", OPTIMIZERS.get(config.name, config.name), torch.optim.Optimizer
    )
    chosen = {"fused": True} if fused and config.name in FUSED and not {"fused", "foreach"} & set(config.args) else {}
    groups = [
        {"params": params, "weight_decay": config.weight_decay if decays else 0.0, "layer_group": number}
        for number, parameters in enumerate(layer_groups)
        for decays, params in by_decay(parameters, config.decay).items()
        if params
    ]
    arguments = call_arguments("optimizer.args", config.args)
    try:
        return kind(groups, lr=lr, **chosen, **arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args={config.args}: {config.name} does not take this ({error})") from None


def by_decay(parameters: Sequence[nn.Parameter], decay: str) -> dict[bool, list[nn.Parameter]]:
    """The parameters by whether they decay; with `weights`, those of one dimension (biases, norms) do not."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in parameters:
        groups[decay == "all" or parameter.ndim > 1].append(parameter)
    return groups
