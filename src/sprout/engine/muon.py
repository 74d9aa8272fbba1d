"""Muon for the matrices and kernels of hidden layers, AdamW for all other parameters, as one optimizer.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. `torch.optim.Muon`, whose argument names
are kept, takes only matrices and computes in bfloat16; on a CPU without bfloat16 instructions that takes half as long
as the network itself.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NARROW = 32
"""Matrices with a shorter side, mostly first and last layers, are left to AdamW: there is little to orthogonalise."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that brings all singular values near 1, fast rather than exactly (Jordan et al.)."""
RMS = 0.2
"""Root mean square of a step at a learning rate of 1, about that of AdamW (Liu et al., "Muon is scalable for LLM
training", 2025)."""


class Muon(torch.optim.Optimizer):
    """Takes kernels as matrices: (out, in · height · width)."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.95,
        ns_steps: int = 5,
        adamw: dict[str, Any] | None = None,
    ) -> None:
        """Take groups of parameters.

        Args:
            groups: each with `params` and `weight_decay`.
            lr: learning rate of both optimizers.
            momentum: of Muon, 0 to 1, in the form of Nesterov.
            ns_steps: iterations of Newton and Schulz.
            adamw: further keyword arguments of torch.optim.AdamW.
        """
        super().__init__(groups, {"lr": lr, "momentum": momentum, "ns_steps": ns_steps})
        rest = [{**group, "params": [p for p in group["params"] if not wide(p)]} for group in self.param_groups]
        self.rest = torch.optim.AdamW(rest, lr, **(adamw or {}))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step with both optimizers."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group, own in zip(self.param_groups, self.rest.param_groups, strict=True):
            own["lr"] = group["lr"]
        self.rest.step()
        for group in self.param_groups:
            for parameter in group["params"]:
                if wide(parameter) and parameter.grad is not None:
                    self.update(parameter, parameter.grad, **{key: group[key] for key in GROUP})
        return loss

    def update(
        self, parameter: Tensor, grad: Tensor, *, lr: float, weight_decay: float, momentum: float, ns_steps: int
    ) -> None:
        """Step along the orthogonal matrix that is closest to the momentum."""
        state = self.state[parameter]
        mean = state.setdefault("momentum", torch.zeros_like(parameter))
        mean.lerp_(grad, 1 - momentum)
        direction = orthogonal(matrix(grad.lerp(mean, momentum), like=parameter), ns_steps)
        parameter.mul_(1 - lr * weight_decay)
        matrix(parameter, like=parameter).add_(direction, alpha=-lr * RMS * math.sqrt(max(direction.shape)))

    def state_dict(self) -> dict[str, Any]:
        """The state of both optimizers."""
        return {"muon": super().state_dict(), "rest": self.rest.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state of both optimizers."""
        super().load_state_dict(state["muon"])
        self.rest.load_state_dict(state["rest"])


GROUP = ("lr", "weight_decay", "momentum", "ns_steps")
"""The settings of a parameter group."""


def wide(parameter: Tensor) -> bool:
    """Whether Muon updates it; kernels of a depthwise convolution have one channel each and form no matrix."""
    return parameter.ndim > 1 and parameter.shape[1] > 1 and min(parameter.shape[0], parameter[0].numel()) >= NARROW


def orthogonal(tensor: Tensor, ns_steps: int) -> Tensor:
    """An approximation of U Vᵀ of the SVD U S Vᵀ, by the iteration of Newton and Schulz: (A, B) → (A, B)."""
    a, b, c = COEFFICIENTS
    found: Tensor = tensor.to(torch.bfloat16) if tensor.is_cuda else tensor
    tall = found.shape[0] > found.shape[1]
    found = found.mT if tall else found
    found = found / (found.norm() + 1e-7)
    for _ in range(ns_steps):
        gram = found @ found.mT
        found = a * found + (b * gram + c * gram @ gram) @ found
    return (found.mT if tall else found).to(tensor)


def matrix(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor as a matrix (out, rest), a view in the memory format of `like`; the order of columns is irrelevant."""
    if tensor.ndim == 4 and not like.is_contiguous():
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)
