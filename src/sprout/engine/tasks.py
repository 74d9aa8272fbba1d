"""What a training learns: what the network is shown, how far it is off, and the figure beside the loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sprout.augment.draws import Draw
from sprout.augment.noise import noisy
from sprout.config.task import FIGURES
from sprout.data.store import Array
from sprout.models.card import ModelCard

DISTANCES: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


class Task(Protocol):
    """One kind of learning. `outputs` is what the network gives for N examples, `scaled` pixels in 0..1 or rows."""

    column: ClassVar[str | None]
    """The column of the label table that is learned; None where the example is its own target."""
    figure: ClassVar[str | None]
    """The name of the figure beside the loss."""
    views: ClassVar[int]
    """How often an example is shown in a step, one view after another, each moved by draws of its own."""

    def shown(self, scaled: Tensor, draw: Draw) -> Tensor:
        """What the network meets in the place of `scaled`."""

    def losses(self, outputs: Tensor, targets: Tensor, scaled: Tensor, *, training: bool) -> Tensor:
        """How far it is off: (N,)."""

    def figures(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The figure of each example: (N,)."""


@dataclass(frozen=True)
class Classify:
    """Classes by their logits."""

    loss: str
    label_smoothing: float
    weights: Tensor | None
    """(K,) what each class counts, 1 in the mean over the training examples."""
    column: ClassVar[str | None] = "label"
    figure: ClassVar[str | None] = FIGURES["classify"]
    views: ClassVar[int] = 1

    def shown(self, scaled: Tensor, draw: Draw) -> Tensor:
        """The example as it is."""
        return scaled

    def losses(self, outputs: Tensor, targets: Tensor, scaled: Tensor, *, training: bool) -> Tensor:
        """In nats. Smoothing and weights are for learning; the loss on val stays the plain one."""
        smoothing = self.label_smoothing if training else 0.0
        if self.loss == "binary":
            each = functional.one_hot(targets, outputs.shape[1]).to(outputs) * (1 - smoothing)
            apart = functional.binary_cross_entropy_with_logits(
                outputs, each + smoothing / outputs.shape[1], reduction="none"
            )
            losses = apart.sum(dim=1)
        else:
            losses = functional.cross_entropy(outputs, targets, label_smoothing=smoothing, reduction="none")
        if training and self.weights is not None:
            losses = losses * self.weights.to(losses, non_blocking=True)[targets]
        return losses

    def figures(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 where the class is right."""
        return outputs.argmax(dim=1) == targets


@dataclass(frozen=True)
class Regress:
    """A number, which the network gives in its own scale."""

    loss: str
    std: float
    """What one unit of the network's scale is in the data's."""
    column: ClassVar[str | None] = "value"
    figure: ClassVar[str | None] = FIGURES["regress"]
    views: ClassVar[int] = 1

    def shown(self, scaled: Tensor, draw: Draw) -> Tensor:
        """The example as it is."""
        return scaled

    def losses(self, outputs: Tensor, targets: Tensor, scaled: Tensor, *, training: bool) -> Tensor:
        """In the network's scale."""
        return DISTANCES[self.loss](outputs[:, 0], targets.to(outputs), reduction="none")

    def figures(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The absolute error, in the data's unit."""
        return (outputs[:, 0] - targets).abs() * self.std


@dataclass(frozen=True)
class Reconstruct:
    """The image out of its noisy copy."""

    loss: str
    noise: float
    column: ClassVar[str | None] = None
    figure: ClassVar[str | None] = FIGURES["reconstruct"]
    views: ClassVar[int] = 1

    def shown(self, scaled: Tensor, draw: Draw) -> Tensor:
        """The noisy copy."""
        return noisy(scaled, draw, self.noise) if self.noise else scaled

    def losses(self, outputs: Tensor, targets: Tensor, scaled: Tensor, *, training: bool) -> Tensor:
        """Mean over an image's pixels, in 0..1."""
        return DISTANCES[self.loss](outputs, scaled, reduction="none").flatten(1).mean(dim=1)

    def figures(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """None: the loss says it all."""
        return outputs.new_zeros(len(outputs))


@dataclass(frozen=True)
class Cluster:
    """Which views are of the same example: InfoNCE (van den Oord, Li and Vinyals, 2018), as SimCLR has it."""

    temperature: float
    column: ClassVar[str | None] = None
    figure: ClassVar[str | None] = FIGURES["cluster"]
    views: ClassVar[int] = 2

    def shown(self, scaled: Tensor, draw: Draw) -> Tensor:
        """The view as it is."""
        return scaled

    def losses(self, outputs: Tensor, targets: Tensor, scaled: Tensor, *, training: bool) -> Tensor:
        """(2N, D), the first views and then the second → (N,), in nats: the mean over an example's views."""
        directions = functional.normalize(outputs, dim=1)
        with torch.autocast(outputs.device.type, enabled=False):
            alike = directions @ directions.T / self.temperature
        alike = alike.masked_fill(torch.eye(len(alike), dtype=torch.bool, device=alike.device), -torch.inf)
        others = torch.arange(len(alike), device=alike.device).roll(len(alike) // 2)
        first, second = functional.cross_entropy(alike, others, reduction="none").chunk(2)
        return (first + second) / 2

    def figures(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """None: the loss says it all."""
        return outputs.new_zeros(len(targets))


TASKS: dict[str, type[Task]] = {
    "classify": Classify,
    "regress": Regress,
    "reconstruct": Reconstruct,
    "cluster": Cluster,
}
"""By the name that the setting `task.kind` gives."""


def numbers_out(settings: dict[str, Any], card: ModelCard) -> int:
    """How many numbers the network gives while it learns."""
    return int(settings["code"]) if settings["kind"] == "cluster" else card.outputs


def class_weights(labels: Array, classes: int) -> Tensor:
    """N / (K · n) for a class with n of N examples: (N,) int → (K,); 1 in the mean over the examples."""
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * np.maximum(counts, 1))).to(torch.float32)


def make_task(settings: dict[str, Any], labels: Array, classes: int, std: float) -> Task:
    """The task that the settings name.

    Args:
        settings: the subsection `task`.
        labels: (N,) the training examples' targets.
        classes: how many there are.
        std: of the number to predict.
    """
    kind, loss = settings["kind"], settings["loss"]
    if kind == "cluster":
        return Cluster(settings["temperature"])
    if kind == "classify":
        weights = class_weights(labels, classes) if settings["class_weights"] == "balanced" else None
        return Classify(loss, settings["label_smoothing"], weights)
    return Regress(loss, std) if kind == "regress" else Reconstruct(loss, settings["noise"])
