"""Contrastive training: features by which two views of an example are told from all others; needs no labels.

SimCLR: Chen, Kornblith, Norouzi and Hinton, "A simple framework for contrastive learning of visual representations",
ICML 2020.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count
from sprout.methods.base import Learner, Method, Policy, StepContext, StepLoss, StepSettings
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.data.dataset import TrainingData
    from sprout.data.loader import Batch, Step
    from sprout.models.card import ModelCard


@dataclass(frozen=True, config=STRICT)
class Contrastive(Method):
    kind: Literal["contrastive"]
    """The network learns features that match two views of an example, each with random draws of its own, among the
    views of all examples of the step (SimCLR: Chen et al., 2020)."""
    policy: Policy
    """The augmentation that makes the views."""
    temperature: Annotated[float, Field(gt=0, le=10)]
    """Cosine similarities are divided by it."""
    projection_dim: Annotated[Count, Field(ge=2)]
    """Outputs of the network, by which views are compared; this last layer is removed after training."""

    name: ClassVar[str] = "contrastive"

    def check(self, section: str, task: Task) -> None:
        """The task needs features."""
        if not task.learns_features:
            raise UserError(
                f"{section}.method.kind={self.name}: learns features, but {section}.task.kind={task.name} has a loss "
                "of its own; take train/method=supervised"
            )

    def check_training(self, section: str, settings: StepSettings) -> None:
        """Views are compared within a whole step on one process, and differ by augmentation alone."""
        if settings.micro_batches > 1:
            raise UserError(
                f"{section}.accumulate_grad_batches={settings.micro_batches}: method.kind={self.name} compares each "
                "view with all others of the step; set it to 1"
            )
        if settings.processes > 1:
            raise UserError(
                f"{section}.devices and nodes: {settings.processes} processes; method.kind={self.name} compares each "
                "view with all others of the step; set both to 1"
            )
        if self.policy not in settings.active:
            group = "train/transforms" if self.policy == "transforms" else f"train/transforms@train.{self.policy}"
            raise UserError(
                f"{section}.{self.policy}: all are off, and method.kind={self.name} compares the views that they make; "
                f"take {group}=shifts, or {group}=rows for rows of a table"
            )

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The one that the settings name."""
        return (self.policy,)

    def outputs(self, task: Task, classes: int) -> int:
        """The projection."""
        return self.projection_dim

    def describe_outputs(self, task: Task, classes: int) -> str:
        """The projection, and what its features are for."""
        return f"a projection to {self.projection_dim} numbers, {task.describe_outputs(classes)}"

    def learner(self, task: Task, data: "TrainingData", card: "ModelCard") -> Learner:
        """NT-Xent on views by the augmentation policy."""
        return ContrastiveLearner(self.policy, self.temperature)


class ContrastiveLearner(Learner):
    """Computes NT-Xent."""

    def __init__(self, policy: Policy, temperature: float) -> None:
        """Take the augmentation policy of the views, and the temperature."""
        self.policy, self.temperature = policy, temperature

    def training_loss(self, module: StepContext, step: "Step") -> StepLoss:
        """The mean loss of the examples."""
        (batch,) = step
        losses = self.losses(module, batch)
        return StepLoss(module.mean(losses, batch), losses, losses.new_zeros(len(losses)))

    def validation_loss(self, module: StepContext, batch: "Batch") -> StepLoss:
        """The loss on val, whose views are the same in every epoch."""
        losses = self.losses(module, batch)
        return StepLoss(losses.sum(), losses, losses.new_zeros(len(losses)))

    def losses(self, module: StepContext, batch: "Batch") -> "Tensor":
        """The loss of each example: (N,)."""
        import torch

        draw = module.draws(batch)
        views = torch.cat([module.view(batch, draw, self.policy) for _ in range(2)])
        return nt_xent(module.outputs(views), self.temperature)


def nt_xent(outputs: "Tensor", temperature: float) -> "Tensor":
    """Normalised temperature-scaled cross-entropy, in nats, the mean over an example's two views.

    InfoNCE (van den Oord, Li and Vinyals, 2018), as in SimCLR.

    Args:
        outputs: (2N, D), the first views and then the second ones.
        temperature: cosine similarities are divided by it.

    Returns:
        (N,).
    """
    import torch
    from torch.nn import functional

    directions = functional.normalize(outputs, dim=1)
    with torch.autocast(outputs.device.type, enabled=False):
        similarities = directions @ directions.T / temperature
    itself = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    similarities = similarities.masked_fill(itself, -torch.inf)
    others = torch.arange(len(similarities), device=similarities.device).roll(len(similarities) // 2)
    first, second = functional.cross_entropy(similarities, others, reduction="none").chunk(2)
    return (first + second) / 2
