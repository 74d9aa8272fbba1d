"""Losses between numbers and their targets."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Distance = Literal["mse", "mae", "huber"]
"""Mean squared error, mean absolute error, or squared near 0 and absolute beyond 1 (Huber, 1964)."""


def distances(name: Distance, outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """The loss of each number: any shape → the same."""
    from torch.nn import functional

    match name:
        case "mse":
            return functional.mse_loss(outputs, targets, reduction="none")
        case "mae":
            return functional.l1_loss(outputs, targets, reduction="none")
        case "huber":
            return functional.huber_loss(outputs, targets, reduction="none")
