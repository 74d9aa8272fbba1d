"""Consistency training: the network learns, on strongly augmented unlabelled examples, what its moving average predicts
for weakly augmented ones.

FixMatch: Sohn et al., "FixMatch: simplifying semi-supervised learning with consistency and confidence", NeurIPS 2020.
The labeller is the moving average of the weights, as in Tarvainen and Valpola, "Mean teachers", NeurIPS 2017.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, NotNegative, Positive, Probability, Share
from sprout.config.validate import written
from sprout.methods.base import (
    POOL_LABELS,
    POOL_ROWS,
    Learner,
    Method,
    Policy,
    Source,
    StepContext,
    StepLoss,
    StepSettings,
    Stream,
)
from sprout.methods.supervised import SupervisedLearner, example_weights
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.tasks.classify import Classify

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.data.dataset import TrainingData
    from sprout.data.loader import Batch, Step
    from sprout.data.store import Array
    from sprout.methods.thresholds import Threshold
    from sprout.models.card import ModelCard

STATED = ("fixed", "flexmatch")
"""The thresholds that begin at a confidence of the settings."""


@dataclass(frozen=True, config=STRICT)
class Consistency(Method):
    kind: Literal["consistency"]
    """Examples with a target as in supervised training, and in the same step unlabelled ones: what the moving average
    of the weights predicts for their weak view is the target of their strong view (FixMatch: Sohn et al., 2020)."""
    policy: Policy
    """The augmentation of examples with a target."""
    ratio: Positive
    """Unlabelled examples in a step, as a multiple of `batch_size`."""
    threshold: Literal["fixed", "flexmatch", "freematch", "softmatch"]
    """Which predictions count: from a fixed confidence on; from one that is lower for classes that are learned late
    (Zhang et al., 2021); from the running mean of the confidence on, with a share of it for each class (Wang et al.,
    2023); or all, with less weight below the mean confidence (Chen et al., 2023)."""
    confidence: Probability | None
    """The confidence of the thresholds fixed and flexmatch; null for the others, which find theirs."""
    alignment: Literal["none", "uniform", "labels"]
    """Predictions are scaled so that the classes have, on average, equal shares or those of the labels (distribution
    alignment: Berthelot et al., 2020). none where the pool has other shares, or classes that no label has."""
    soft_temperature: Positive | None
    """Targets are the predicted probabilities, sharpened by this temperature; null means the predicted class."""
    weight: NotNegative
    """Weight of the loss on unlabelled examples."""
    ramp: Share
    """Share of all steps in which this weight rises from 0."""
    momentum: Share
    """Momentum of the running means: of class shares, of the confidence and its variance."""

    name: ClassVar[str] = "consistency"
    columns: ClassVar[tuple[str, ...]] = ("weight",)

    def __post_init__(self) -> None:
        """Check that there is a confidence for the thresholds that begin at one, and none for the others."""
        if (self.threshold in STATED) != (self.confidence is not None):
            raise ValueError(
                f"confidence={written(self.confidence)} with threshold={self.threshold}: {' and '.join(STATED)} need "
                "one such as 0.95, the others null"
            )

    def check(self, section: str, task: Task) -> None:
        """The targets are classes."""
        if not isinstance(task, Classify) or task.loss != "cross_entropy":
            raise UserError(
                f"{section}.method.kind={self.name}: learns classes by cross_entropy; {section}.task.kind={task.name} "
                "does not; take train/method=supervised"
            )

    def check_training(self, section: str, settings: StepSettings) -> None:
        """The labeller is the moving average, and each process has the same number of unlabelled examples."""
        if settings.ema is None:
            raise UserError(
                f"{section}.ema=null: {section}.method.kind={self.name} labels by the moving average of the weights; "
                "set a decay such as 0.99"
            )
        size = self.streams[1].size(settings.batch_size)
        shares = settings.micro_batches * settings.processes
        if size % shares:
            raise UserError(
                f"{section}.method.ratio={self.ratio}: with {section}.batch_size={settings.batch_size} a step has "
                f"{size} unlabelled examples, which {settings.processes} devices with {settings.micro_batches} "
                f"micro-batches each cannot share evenly; take a multiple of {shares}"
            )
        if "strong" not in settings.active:
            raise UserError(
                f"{section}.strong: all transforms are off, and {section}.method.kind={self.name} learns from the "
                f"view that they make; take train/transforms@{section}.strong=strong, or =rows for rows of a table"
            )

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Examples with a target, and the pool."""
        return Stream(Source.TRAIN), Stream(Source.POOL, self.ratio)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """That of the examples with a target, and both views of the others."""
        return tuple(dict.fromkeys((self.policy, "weak", "strong")))

    def cutoffs(self, probabilities: "Array") -> "Array":
        """Those of the threshold after a step that is the whole pool.

        The state at the end of training is one of running means over the last steps; that of the epoch whose weights
        are kept has been overwritten since.
        """
        import torch

        pool, classes = probabilities.shape
        threshold = make_threshold(replace(self, momentum=0.0), classes, pool)
        threshold.weights(torch.from_numpy(probabilities), torch.arange(pool))
        found: Array = threshold.cutoff().expand(classes).numpy()
        return found

    def learner(self, task: Task, data: "TrainingData", card: "ModelCard") -> Learner:
        """Cross-entropy on both streams."""
        labelled = SupervisedLearner(task.criterion(data.train, card), self.policy, example_weights(data))
        assert data.pool is not None, "checked before a training"
        return ConsistencyLearner(self, labelled, class_shares(data, len(card.classes)), data.pool.rows)


class Targets(NamedTuple):
    """What the labeller gives for a micro-batch of the pool."""

    probabilities: "Tensor"
    """(N, K) aligned, rows sum to 1."""
    weights: "Tensor"
    """(N,) in 0..1."""


class ConsistencyLearner(Learner):
    """Computes the loss on both streams, and keeps class shares and thresholds."""

    logged: ClassVar[tuple[str, ...]] = ("kept_share", "confidence")

    def __init__(self, method: Consistency, labelled: SupervisedLearner, labels: "Tensor", pool: "Array") -> None:
        """Take the settings, the loss on examples with a target, (K,) their class shares, and (N,) rows of the pool."""
        from sprout.methods.label_record import LabelRecord

        self.method, self.labelled, self.pool = method, labelled, pool
        classes = len(labels)
        uniform = labels.new_full((classes,), 1 / classes)
        self.wanted = labels if method.alignment == "labels" else uniform
        self.shares = uniform
        self.threshold, self.record = make_threshold(method, classes, len(pool)), LabelRecord(len(pool))

    def training_loss(self, module: StepContext, step: "Step") -> StepLoss:
        """The loss of the labelled examples, and the consistency of the others with the labeller."""
        import torch

        batch, pool = step
        draw, of_pool = module.draws(batch), module.draws(pool)
        shown = module.view(batch, draw, self.method.policy)
        weak, strong = module.view(pool, of_pool, "weak"), module.view(pool, of_pool, "strong")
        targets = self.targets(module, module.ema_outputs(weak).softmax(1), pool, pool.epoch // module.steps_per_epoch)
        # In one batch, so that batch norm has the same statistics for both.
        outputs, of_strong = module.outputs(torch.cat([shown, strong])).tensor_split([len(shown)])
        found = self.labelled.loss_of(module, outputs, shown, batch)
        losses = targets.weights * self.losses(of_strong, targets.probabilities)
        rise = min(1.0, pool.epoch / max(1.0, self.method.ramp * module.total_steps)) if self.method.ramp else 1.0
        loss = found.loss + self.method.weight * rise * module.mean(losses, pool)
        confidence = targets.probabilities.amax(1).mean()
        return found._replace(loss=loss, logged=torch.stack([targets.weights.mean(), confidence]))

    def targets(self, module: StepContext, probabilities: "Tensor", pool: "Batch", epoch: int) -> Targets:
        """Align the predictions of this process, and weigh them; the state moves on by those of all processes."""
        from sprout.methods.thresholds import running_mean

        everyone, ids = module.gather(probabilities), module.gather(pool.ids)
        if self.method.alignment != "none":
            self.shares = running_mean(self.shares, everyone.mean(0), self.method.momentum)
            everyone = self.aligned(everyone)
            probabilities = self.aligned(probabilities)
        weights = self.threshold.weights(everyone, ids)
        self.record.note(epoch, ids, everyone.argmax(1), weights == 1)
        return Targets(probabilities, module.own(weights))

    def aligned(self, probabilities: "Tensor") -> "Tensor":
        """Scale to the wanted class shares: (N, K) → (N, K), rows sum to 1."""
        scaled = probabilities * (self.wanted.to(probabilities) / self.shares)
        return scaled / scaled.sum(1, keepdim=True)

    def losses(self, outputs: "Tensor", probabilities: "Tensor") -> "Tensor":
        """Cross-entropy to the predicted classes, or to the sharpened probabilities: (N, K) each → (N,)."""
        from torch.nn import functional

        temperature = self.method.soft_temperature
        if temperature is None:
            return functional.cross_entropy(outputs, probabilities.argmax(1), reduction="none")
        sharpened = probabilities ** (1 / temperature)
        return functional.cross_entropy(outputs, sharpened / sharpened.sum(1, keepdim=True), reduction="none")

    def validation_loss(self, module: StepContext, batch: "Batch") -> StepLoss:
        """The loss of the task."""
        return self.labelled.validation_loss(module, batch)

    def arrays(self) -> dict[str, "Array"]:
        """The labels at the end of each epoch, and of which rows of the pool."""
        return {POOL_LABELS: self.record.labels().numpy(), POOL_ROWS: self.pool[self.record.rows.numpy()]}

    def state_dict(self) -> dict[str, Any]:
        """Class shares, thresholds and the labels."""
        found = {"threshold": self.threshold.state_dict(), "record": self.record.state_dict()}
        return {"shares": self.shares, **found}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from there."""
        self.shares = state["shares"]
        self.threshold.load_state_dict(state["threshold"])
        self.record.load_state_dict(state["record"])


def make_threshold(method: Consistency, classes: int, pool: int) -> "Threshold":
    """The threshold of the settings, for a number of classes and a size of the pool."""
    from sprout.methods import thresholds

    match method.threshold:
        case "fixed":
            return thresholds.Fixed(method.confidence or 0.0)
        case "flexmatch":
            return thresholds.FlexMatch(method.confidence or 0.0, classes, pool)
        case "freematch":
            return thresholds.FreeMatch(method.momentum, classes)
        case "softmatch":
            return thresholds.SoftMatch(method.momentum, classes)


def class_shares(data: "TrainingData", classes: int) -> "Tensor":
    """The share of each class among the training examples: (K,) float32."""
    import numpy as np
    import torch

    counts = np.bincount(data.train.targets, minlength=classes)
    return torch.from_numpy(counts / counts.sum()).float()
