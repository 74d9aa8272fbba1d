"""Muon for matrices and kernels, AdamW for all else, as one optimizer.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class MuonBesideAdamW(torch.optim.Optimizer):
    """torch's Muon takes matrices alone: a kernel is given to it as one, (out, in · height · width)."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, *, adamw: dict[str, Any] | None = None, **muon: Any):
        """Take groups of parameters.

        Args:
            groups: each with `params` and `weight_decay`.
            lr: learning rate of both; torch scales Muon's steps so that they suit AdamW's rates.
            adamw: further keyword arguments of torch.optim.AdamW.
            muon: further keyword arguments of torch.optim.Muon.
        """
        super().__init__(groups, {"lr": lr})
        # (the parameter, the matrix that Muon moves), by group.
        self.matrices = [
            [(p, nn.Parameter(matrix(p.detach()))) for p in group["params"] if p.ndim > 1]
            for group in self.param_groups
        ]
        others = [[p for p in group["params"] if p.ndim <= 1] for group in self.param_groups]
        muon = {"adjust_lr_fn": "match_rms_adamw"} | muon
        self.inner: list[tuple[int, torch.optim.Optimizer]] = []
        for number, (pairs, rest) in enumerate(zip(self.matrices, others, strict=True)):
            decay = self.param_groups[number]["weight_decay"]
            if pairs:
                self.inner.append((number, torch.optim.Muon([m for _, m in pairs], lr, weight_decay=decay, **muon)))
            if rest:
                self.inner.append((number, torch.optim.AdamW(rest, lr, weight_decay=decay, **(adamw or {}))))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for pairs in self.matrices:
            for parameter, flat in pairs:
                flat.grad = None if parameter.grad is None else matrix(parameter.grad, like=parameter)
        for number, optimizer in self.inner:
            optimizer.param_groups[0]["lr"] = self.param_groups[number]["lr"]
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Of both optimizers, in order."""
        return {"inner": [optimizer.state_dict() for _, optimizer in self.inner]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for (_, optimizer), one in zip(self.inner, state["inner"], strict=True):
            optimizer.load_state_dict(one)


def matrix(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """The same numbers as (out, rest), a view of the memory as it lies; the order within a row is nothing to Muon.

    Args:
        tensor: two or more dimensions.
        like: whose order in memory it shall have; its own if left out.
    """
    like = tensor if like is None else like
    if tensor.ndim == 4 and not like.is_contiguous():
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)
