"""The loss of a classifier."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.augment.draws import Draw
    from sprout.data.store import Array


@dataclass(frozen=True)
class ClassCriterion:
    """Cross-entropy, in nats."""

    loss: str
    label_smoothing: float
    weights: "Tensor | None"
    """(K,) what each class counts, 1 in the mean over the training examples."""

    def network_input(self, scaled: "Tensor", draw: "Draw") -> "Tensor":
        """The examples as they are."""
        return scaled

    def losses(self, outputs: "Tensor", targets: "Tensor", scaled: "Tensor", *, training: bool) -> "Tensor":
        """(N, K) logits, (N,) → (N,). Smoothing and weights are for training; the loss on val stays the plain one."""
        from torch.nn import functional

        smoothing = self.label_smoothing if training else 0.0
        if self.loss == "binary":
            each = functional.one_hot(targets, outputs.shape[1]).to(outputs) * (1 - smoothing)
            smoothed = each + smoothing / outputs.shape[1]
            losses = functional.binary_cross_entropy_with_logits(outputs, smoothed, reduction="none").sum(dim=1)
        else:
            losses = functional.cross_entropy(outputs, targets, label_smoothing=smoothing, reduction="none")
        if training and self.weights is not None:
            losses = losses * self.weights.to(losses, non_blocking=True)[targets]
        return losses

    def metrics(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Whether the predicted class is right."""
        return outputs.argmax(dim=1) == targets


def class_weights(labels: "Array", classes: int) -> "Tensor":
    """N / (K · n) for a class with n of N examples: (N,) int → (K,) float32; 1 in the mean over the examples."""
    import numpy as np
    import torch

    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * np.maximum(counts, 1))).to(torch.float32)
