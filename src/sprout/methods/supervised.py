"""Supervised training: the loss of the task on examples with a target."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT
from sprout.methods.base import Learner, Method, Policy, StepContext, StepLoss
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.tasks.interfaces import Criterion

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.data.dataset import TrainingData
    from sprout.data.loader import Batch, Step
    from sprout.models.card import ModelCard


@dataclass(frozen=True, config=STRICT)
class Supervised(Method):
    kind: Literal["supervised"]
    """The loss of the task, on examples with a target. Each loss is multiplied by `weight` of the label table, and the
    sum over a step is divided by its number of examples, not by the sum of the weights."""
    policy: Policy
    """The augmentation of training examples."""

    name: ClassVar[str] = "supervised"
    columns: ClassVar[tuple[str, ...]] = ("weight",)

    def check(self, section: str, task: Task) -> None:
        """A task on features has no loss of its own."""
        if task.learns_features:
            raise UserError(
                f"{section}.method.kind={self.name}: {section}.task.kind={task.name} groups the features of a network "
                "that another method trains; take train/method=contrastive"
            )

    @classmethod
    def by(cls, policy: Policy) -> "Supervised":
        """The method with this augmentation policy."""
        return cls(kind="supervised", policy=policy)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The one that the settings name."""
        return (self.policy,)

    def learner(self, task: Task, data: "TrainingData", card: "ModelCard") -> Learner:
        """The loss of the task, with the weights of the examples."""
        return SupervisedLearner(task.criterion(data.train, card), self.policy, example_weights(data))


class SupervisedLearner(Learner):
    """Computes the loss of the task."""

    def __init__(self, criterion: Criterion, policy: Policy, weights: "Tensor | None") -> None:
        """Take the criterion, the policy of the views, and (N,) weights of the training examples; None for 1 each."""
        self.criterion, self.policy, self.weights = criterion, policy, weights

    def training_loss(self, module: StepContext, step: "Step") -> StepLoss:
        """The mean loss of the examples under the augmentation policy."""
        (batch,) = step
        draw = module.draws(batch)
        scaled = module.view(batch, draw, self.policy)
        return self.loss_of(module, module.outputs(self.criterion.network_input(scaled, draw)), scaled, batch)

    def loss_of(self, module: StepContext, outputs: "Tensor", scaled: "Tensor", batch: "Batch") -> StepLoss:
        """The mean loss of the network's outputs for the examples `scaled` of a batch."""
        losses = self.criterion.losses(outputs, batch.targets, scaled, training=True)
        if self.weights is not None:
            self.weights = self.weights.to(batch.ids.device)  # copied once: a GPU would wait for the ids each step
            losses = losses * self.weights[batch.ids].to(losses)
        return StepLoss(module.mean(losses, batch), losses, self.criterion.metrics(outputs.detach(), batch.targets))

    def validation_loss(self, module: StepContext, batch: "Batch") -> StepLoss:
        """The loss without augmentation, example weights, class weights and label smoothing."""
        draw = module.draws(batch)
        scaled = module.scaled(batch)
        outputs = module.outputs(self.criterion.network_input(scaled, draw))
        losses = self.criterion.losses(outputs, batch.targets, scaled, training=False)
        return StepLoss(losses.sum(), losses, self.criterion.metrics(outputs, batch.targets))


def example_weights(data: "TrainingData") -> "Tensor | None":
    """The weights of the training examples, (N,) float32; None where all are 1."""
    import torch

    weights = data.train.column("weight")
    return None if (weights == 1).all() else torch.from_numpy(weights)
