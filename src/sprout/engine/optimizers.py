"""Optimizers by name."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from sprout.config.train import OPTIMIZERS
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass

FUSED = ("adam", "adamw", "sgd")
"""Those with one kernel for all parameters, on the CPU too, in the place of a loop over them."""


def optimizer(
    parts: Sequence[Sequence[nn.Parameter]],
    lr: float,
    *,
    name: str,
    weight_decay: float,
    decay: str,
    args: dict[str, Any],
    fused: bool = True,
) -> torch.optim.Optimizer:
    """Build an optimizer.

    Args:
        parts: the parameters, in parts that may learn at rates of their own; each group's key `part` tells which.
        lr: learning rate.
        name: a registered name, or `package.Class`.
        weight_decay: how much weights decay.
        decay: weights, which leaves out parameters of one dimension (biases, norms), or all.
        args: further keyword arguments of the class.
        fused: whether one fused kernel may do it all.

    Raises:
        UserError: no such class, or arguments that it does not take.
    """
    kind: Callable[..., torch.optim.Optimizer] = subclass(
        "optimizer.name", OPTIMIZERS.get(name, name), torch.optim.Optimizer
    )
    chosen = {"fused": True} if fused and name in FUSED and not {"fused", "foreach"} & set(args) else {}
    groups = [
        {"params": params, "weight_decay": weight_decay if decaying else 0.0, "part": number}
        for number, part in enumerate(parts)
        for decaying, params in split(part, decay).items()
        if params
    ]
    try:
        return kind(groups, lr=lr, **chosen, **args)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args={args}: {name} does not take this ({error})") from None


def split(parameters: Sequence[nn.Parameter], decay: str) -> dict[bool, list[nn.Parameter]]:
    """Those that decay, and those that do not."""
    found: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in parameters:
        found[decay == "all" or parameter.ndim > 1].append(parameter)
    return found
