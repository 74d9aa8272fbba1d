"""The interface of a method: everything that the rest of the project asks about *how* something is learned.

A method is a frozen dataclass of settings, the key `method` of the sections `train` and `retrain`. A method that
trains a network step by step says which streams of batches it wants, and makes a `Learner`, which computes the loss on
them and keeps state between steps. These files are imported wherever settings are composed, so they import torch and
scikit-learn where they use them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from sprout.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.augment.draws import Draw
    from sprout.data.dataset import TrainingData
    from sprout.data.loader import Batch, Step
    from sprout.data.store import Array
    from sprout.models.card import ModelCard

Policy = Literal["transforms", "weak", "strong"]
"""An augmentation policy: a key of the section `train` that holds transforms."""
POOL_LABELS, POOL_ROWS = "pool_labels", "pool_rows"
"""Arrays of a method that labels the pool: (E, n) int16, the labels at the end of each epoch as in `LabelRecord`, and
(n,) int64, of which examples."""


class Source(Enum):
    """Where the examples of a stream come from."""

    TRAIN = "train"
    """Examples with a target of the task: true labels, augmented copies and, for a student, pseudo-labels."""
    POOL = "pool"
    """The unlabelled pool."""


@dataclass(frozen=True)
class Stream:
    """One of the streams of batches of a training."""

    source: Source
    ratio: float = 1.0
    """Examples in a step, as a multiple of `batch_size`; 1 for the first stream, whose length is that of the epoch."""

    def size(self, batch_size: int) -> int:
        """Examples in a step."""
        return max(1, round(self.ratio * batch_size))


class StepSettings(NamedTuple):
    """The settings of a section that its method may have to fit."""

    batch_size: int
    """Examples of the first stream in a step."""
    micro_batches: int
    """Micro-batches of a step."""
    processes: int
    """Processes that share a step."""
    ema: float | None
    """Decay of the moving average of the weights; None if there is none."""
    active: set[Policy]
    """The augmentation policies that change images."""


class StepLoss(NamedTuple):
    """What a learner computes for a micro-batch of each stream."""

    loss: "Tensor"
    """Scalar; its gradients are added up over the micro-batches and averaged over the processes."""
    losses: "Tensor"
    """(N,) the loss of each example of the first stream, for the learning curves."""
    metrics: "Tensor"
    """(N,) the metric of the task for each of these."""
    logged: "Tensor | None" = None
    """(M,) the values of `Learner.logged` for this micro-batch; their mean over the steps of an epoch is logged."""


class StepContext(Protocol):
    """What a learner may ask of the training: views of batches, and the network's outputs."""

    total_steps: int
    """Steps of the optimizer in the whole training."""
    steps_per_epoch: int

    def draws(self, batch: "Batch") -> "Draw":
        """The random draws of a batch's examples."""

    def scaled(self, batch: "Batch") -> "Tensor":
        """The examples as they are: (N, C, H, W) in 0..1, or (N, F)."""

    def view(self, batch: "Batch", draw: "Draw", policy: Policy) -> "Tensor":
        """The examples under an augmentation policy, as `scaled` gives them; each call makes another view."""

    def outputs(self, shown: "Tensor") -> "Tensor":
        """The network's outputs for scaled examples."""

    def ema_outputs(self, shown: "Tensor") -> "Tensor":
        """The outputs of the weights' moving average for scaled examples, without gradients."""

    def gather(self, values: "Tensor") -> "Tensor":
        """The values of all processes, which have equally many: (n, …) → (processes · n, …)."""

    def own(self, values: "Tensor") -> "Tensor":
        """Those of this process among the values of all: (processes · n, …) → (n, …)."""

    def mean(self, losses: "Tensor", batch: "Batch") -> "Tensor":
        """A micro-batch's share of the mean over the whole step: (N,) → scalar."""


class Learner(ABC):
    """What a method computes and keeps during one training."""

    logged: ClassVar[tuple[str, ...]] = ()
    """Names of further values of a training step, which become columns of the history."""

    @abstractmethod
    def training_loss(self, module: StepContext, step: "Step") -> StepLoss:
        """The loss of a micro-batch of each stream.

        Args:
            module: has views of batches, the outputs of the network, and means over the whole step.
            step: a batch of each of `Method.streams`, in their order.
        """

    @abstractmethod
    def validation_loss(self, module: StepContext, batch: "Batch") -> StepLoss:
        """The loss on a batch of val."""

    def arrays(self) -> dict[str, "Array"]:
        """What a training leaves beside the model, by file name without its suffix."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint: tensors, numbers, strings, and lists and dictionaries of these.

        A checkpoint holds that of rank 0, and every process resumes from it, so it must be the same on all.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: it does not fit; the learner is unchanged.
        """


class Method(ABC):
    """How a network is trained, step by step."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ()
    """Further columns of the label tables that change the loss; they belong to the training's fingerprint."""

    def check(self, section: str, task: Task) -> None:
        """Check that the method can learn the task.

        Raises:
            UserError: it cannot.
        """

    def check_training(self, section: str, settings: StepSettings) -> None:
        """Check that the other settings fit the method.

        Args:
            section: train or retrain.
            settings: those that its methods ask about.

        Raises:
            UserError: another setting does not fit.
        """

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams of batches, the first of which counts the epochs."""
        return (Stream(Source.TRAIN),)

    @property
    def learns_from_pool(self) -> bool:
        """Whether one of the streams is the unlabelled pool."""
        return any(stream.source is Source.POOL for stream in self.streams)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The augmentation policies of its views."""
        return ()

    def outputs(self, task: Task, classes: int) -> int:
        """How many numbers the network outputs for one example during training."""
        return task.outputs(classes)

    def describe_outputs(self, task: Task, classes: int) -> str:
        """What the network outputs for one example during training, in words."""
        return task.describe_outputs(classes)

    def cutoffs(self, probabilities: "Array") -> "Array | None":
        """The confidence from which the labels of a trained network's predictions would count: of each class, (K,).

        None where the method gives the pool no labels.

        Args:
            probabilities: (N, K) for the whole pool, at least one row; the softmax of the network's outputs.
        """
        return None

    @abstractmethod
    def learner(self, task: Task, data: "TrainingData", card: "ModelCard") -> Learner:
        """Make the learner of a training on these examples."""
