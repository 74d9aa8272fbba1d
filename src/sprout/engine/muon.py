"""Muon for the matrices and kernels of hidden layers, AdamW for all else, as one optimizer.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. Torch has a Muon too, which takes
matrices alone and computes in bfloat16: a CPU without such instructions takes half as long for that as for the network.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NARROW = 32
"""A matrix with a shorter side has little to orthogonalise: first and last layers, as a rule."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that takes every singular value near 1, fast rather than exactly (Jordan et al.)."""
RMS = 0.2
"""A step's root mean square over its rate, as AdamW's is (Liu et al., "Muon is scalable for LLM training", 2025)."""


class Muon(torch.optim.Optimizer):
    """A kernel is taken as a matrix, (out, in · height · width)."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.95,
        iterations: int = 5,
        adamw: dict[str, Any] | None = None,
    ) -> None:
        """Take groups of parameters.

        Args:
            groups: each with `params` and `weight_decay`.
            lr: learning rate, of both.
            momentum: of Muon, 0 to 1; Nesterov's.
            iterations: of Newton and Schulz.
            adamw: further keyword arguments of torch.optim.AdamW.
        """
        super().__init__(groups, {"lr": lr, "momentum": momentum, "iterations": iterations})
        rest = [{**group, "params": [p for p in group["params"] if not wide(p)]} for group in self.param_groups]
        self.rest = torch.optim.AdamW(rest, lr, **(adamw or {}))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
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
                    self.move(parameter, parameter.grad, **{key: group[key] for key in GROUP})
        return loss

    def move(
        self, parameter: Tensor, grad: Tensor, *, lr: float, weight_decay: float, momentum: float, iterations: int
    ) -> None:
        """Step along the orthogonal matrix that is nearest to the momentum."""
        state = self.state[parameter]
        mean = state.setdefault("momentum", torch.zeros_like(parameter))
        mean.lerp_(grad, 1 - momentum)
        direction = orthogonal(matrix(grad.lerp(mean, momentum), like=parameter), iterations)
        parameter.mul_(1 - lr * weight_decay)
        matrix(parameter, like=parameter).add_(direction, alpha=-lr * RMS * math.sqrt(max(direction.shape)))

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {"muon": super().state_dict(), "rest": self.rest.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        super().load_state_dict(state["muon"])
        self.rest.load_state_dict(state["rest"])


GROUP = ("lr", "weight_decay", "momentum", "iterations")
"""What a group says of its parameters."""


def wide(parameter: Tensor) -> bool:
    """Whether Muon moves it; the kernels of a depthwise convolution are no matrix, each is of one channel."""
    return parameter.ndim > 1 and parameter.shape[1] > 1 and min(parameter.shape[0], parameter[0].numel()) >= NARROW


def orthogonal(tensor: Tensor, iterations: int) -> Tensor:
    """About U Vᵀ of the singular value decomposition U S Vᵀ, by the iteration of Newton and Schulz: (A, B) → (A, B)."""
    a, b, c = COEFFICIENTS
    found: Tensor = tensor.to(torch.bfloat16) if tensor.is_cuda else tensor
    tall = found.shape[0] > found.shape[1]
    found = found.mT if tall else found
    found = found / (found.norm() + 1e-7)
    for _ in range(iterations):
        gram = found @ found.mT
        found = a * found + (b * gram + c * gram @ gram) @ found
    return (found.mT if tall else found).to(tensor)


def matrix(tensor: Tensor, like: Tensor) -> Tensor:
    """The same numbers as (out, rest), a view where memory lies as that of `like`: a row's order is nothing to Muon."""
    if tensor.ndim == 4 and not like.is_contiguous():
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)
