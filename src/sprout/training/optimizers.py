"""Optimizers and schedules by name."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sprout.core.errors import UserError
from sprout.models.user_class import subclass
from sprout.settings.train import OPTIMIZERS


def optimizer(
    network: nn.Module, lr: float, *, name: str, weight_decay: float, args: dict[str, Any]
) -> torch.optim.Optimizer:
    """Build an optimizer.

    Args:
        network: whose parameters; those of one dimension (biases, norms) do not decay.
        lr: learning rate.
        name: a registered name, or `package.Class`.
        weight_decay: of all other parameters.
        args: further keyword arguments of the class.

    Raises:
        UserError: no such class, or arguments that it does not take.
    """
    path = f"torch.optim.{OPTIMIZERS[name]}" if name in OPTIMIZERS else name
    kind: Callable[..., torch.optim.Optimizer] = subclass("optimizer.name", path, torch.optim.Optimizer)
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    try:
        return kind([group for group in groups if group["params"]], lr=lr, **args)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args={args}: {name} does not take this ({error})") from None


def schedule(name: str, warmup: float, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at each step, 0 to 1.

    Args:
        name: constant, cosine or one_cycle.
        warmup: share of the steps that rise linearly.
        steps: of the whole training.
    """
    rising = warmup * steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = (step - rising) / max(1.0, steps - rising)
        falls = {"constant": 1.0, "cosine": (1 + math.cos(math.pi * done)) / 2, "one_cycle": 1 - done}
        return falls[name]

    return factor
