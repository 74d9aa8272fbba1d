"""The interface of a task: everything that the rest of the project asks about *what* is learned.

A task is a frozen dataclass of settings, the key `task` of the sections `train` and `retrain`. What needs the settings
is a method; what follows from the card of a trained model is a class attribute or a class method. These files are
imported wherever settings are composed, so they import torch, numpy and scikit-learn where they use them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sprout.runtime.errors import UserError
from sprout.tasks.interfaces import Criterion, Limits, TrainedModel
from sprout.tasks.scores import Errors, Metrics, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from sprout.data.dataset import Examples
    from sprout.data.description import Description
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard
    from sprout.report.inputs import Inputs


class Task(ABC):
    """What is learned."""

    name: ClassVar[str]
    column: ClassVar[str | None] = None
    """The column of the label table that is learned; None where the task needs no labels."""
    target: ClassVar[str | None] = None
    """What the data must have as its target: class or number; None takes any data."""
    epoch_metric: ClassVar[str | None] = None
    """The metric beside the loss after each epoch."""
    scores: ClassVar[tuple[Score, ...]]
    """The metrics of a trained model on a split, as `metrics` returns them."""
    curves: ClassVar[tuple[tuple[str, str, str], ...]] = (("loss", "Loss", "Loss"),)
    """Learning curves: the column of the history without its split, a title, the label of the axis."""
    meaning: ClassVar[str | None] = None
    """What the scores mean, in a sentence or two; None where the task's own section of the page explains it."""
    mlflow_type: ClassVar[str]
    """What MLflow calls such a model."""
    has_pseudo_labels: ClassVar[bool] = False
    """Whether a teacher's predictions can become labels of a student."""
    cross_validated: ClassVar[bool] = False
    """Whether the outputs of models of several folds are comparable, so that cross-validation can pool them."""
    outputs_image: ClassVar[bool] = False
    """Whether the output of the network is an image."""
    needs_images: ClassVar[bool] = False
    """Whether rows of a table are refused."""
    learns_features: ClassVar[bool] = False
    """Whether it works on features, which the method learns by a loss of its own; there is no criterion."""

    # These need the settings: before and while a network is trained.

    def check(self, section: str, train: "Examples") -> None:
        """Check that the settings fit the examples.

        Raises:
            UserError: one does not.
        """
        if self.needs_images and len(train.shape) == 1:
            raise UserError(f"{section}.task.kind={self.name}: the examples are rows of a table; it takes images")

    @abstractmethod
    def criterion(self, train: "Examples", card: "ModelCard") -> Criterion:
        """The loss, with the statistics of the training examples that it needs."""

    def target_scale(self, values: "Array", normalise: str) -> dict[str, float] | None:
        """`mean` and `std` by which the numbers to predict, (N,) float, are scaled; None where there are none."""
        return None

    @property
    def input_noise(self) -> float | None:
        """Standard deviation of the noise that the network learns to remove, pixels in 0..1; None for none."""
        return None

    def final_model(
        self, network: "nn.Module", card: "ModelCard", train: "Examples", *, seed: int, threads: int
    ) -> "tuple[nn.Module, ModelCard]":
        """The model to hand on, from a trained network in evaluation mode."""
        return network, card

    def describe_outputs(self, classes: int) -> str:
        """What the network outputs for one example, in words."""
        return f"{classes} classes"

    # These need no settings: a model card is enough.

    @classmethod
    def check_data(cls, prepared: Path, described: "Description", section: str) -> None:
        """Check that the data has the target of this task.

        Raises:
            UserError: it has another target, or none.
        """

    @classmethod
    def check_labels(cls, prepared: Path, classes: list[str], train: "Examples") -> None:
        """Check that there are enough labels.

        Raises:
            UserError: they do not.
        """

    @classmethod
    def outputs(cls, classes: int) -> int:
        """How many numbers the network of a trained model outputs for one example."""
        return classes

    @classmethod
    def network_targets(cls, targets: "Array", card: "ModelCard") -> "Array":
        """The targets in the scale of the network: (N,)."""
        return targets

    @classmethod
    @abstractmethod
    def predictions(cls, outputs: "Array", card: "ModelCard") -> "Array":
        """Turn the outputs of a network into predictions, a row for each example."""

    @classmethod
    def exported(cls, outputs: "Tensor", card: "ModelCard") -> "Tensor":
        """The same as `predictions` in torch, for a model that other programs run.

        Raises:
            UserError: the task does not say it.
        """
        raise UserError(f"the task {cls.name}: its models cannot be exported")

    @classmethod
    def examine(cls, predictor: TrainedModel, store: "Store", what: str) -> "Array":
        """What `outcomes` are made from, for all examples of a store in their order: (N, …) float32."""
        return predictor.outputs_of(store, what)

    @classmethod
    def examine_rows(cls, predictor: TrainedModel, store: "Store", rows: "Array") -> "Array":
        """The same for some rows of a store, (n,) int64, that fit into memory together."""
        return predictor.outputs(store.take(rows))

    @classmethod
    def outcomes(cls, examined: "Array", card: "ModelCard", labels: "Array") -> "Array":
        """What metrics, errors and evaluations are computed from: (N, …), some numbers for each example.

        Where the task has pseudo-labels, these are fields: among them `predicted`, the class, its `confidence`, and
        both without calibration, `raw_predicted` and `raw_confidence`.

        Args:
            examined: as `examine` returns it.
            card: the model's, calibrated.
            labels: (N,) int64, the class of each example; −1 where it is not known.
        """
        return examined

    @classmethod
    @abstractmethod
    def metrics(cls, outcomes: "Array", card: "ModelCard", store: "Store", bins: int) -> Metrics:
        """The metrics on a store; examples without a target do not count.

        Args:
            outcomes: as `outcomes` returns them for the store.
            card: the model's.
            store: the split.
            bins: of the calibration error.
        """

    @classmethod
    def errors(cls, outcomes: "Array", card: "ModelCard", store: "Store") -> Errors | None:
        """The error on each example of a store; None where the errors of two models are not comparable.

        Args:
            outcomes: as `outcomes` returns them for the store.
            card: the model's.
            store: the split.
        """
        return None

    @classmethod
    def calibrated(cls, card: "ModelCard", examined: "Array", val: "Examples") -> "ModelCard":
        """The card with what is fitted on the validation split."""
        return card

    @classmethod
    def write_details(
        cls, folder: Path, network: "nn.Module", card: "ModelCard", outcomes: "Array", val: "Examples"
    ) -> None:
        """Write the files of a model folder that only this task has; the outcomes are those of the validation split."""

    @classmethod
    @abstractmethod
    def summary(cls, metrics: Metrics, examples: int, *, crossed: bool = False) -> str:
        """The result in a few words, for the terminal: on so many examples, or labels by cross-validation."""

    @classmethod
    @abstractmethod
    def write_evaluation(
        cls,
        folder: Path,
        models: Mapping[str, TrainedModel],
        test: "Store",
        outcomes: "Mapping[str, Array]",
        limits: Limits,
    ) -> "pa.Table":
        """Write the files of the evaluation that only this task has; return the predictions on test.

        Args:
            folder: where to.
            models: teacher, control if there is one, and student.
            test: the test split.
            outcomes: of each model, as `outcomes` returns them.
            limits: how much is written.
        """

    @classmethod
    @abstractmethod
    def signature(cls, input_shape: list[int], classes: list[str]) -> tuple[str, tuple[int, ...]]:
        """The type and shape of predictions, −1 for the number of examples."""

    @classmethod
    def printed_columns(cls, top: int) -> list[str]:
        """The headings of the columns of `answer`; empty where `sprout predict` has nothing to print."""
        return []

    @classmethod
    def printed_prediction(cls, prediction: Any, classes: list[str], top: int) -> dict[str, Any]:
        """The prediction for one example, as `sprout predict` prints it."""
        raise NotImplementedError(f"{cls.name}: has nothing to print for an example")

    @classmethod
    def prediction_columns(cls, predictions: "Array", classes: list[str]) -> "dict[str, pa.Array]":
        """The predictions for N examples as the columns of a table, each (N,)."""
        raise NotImplementedError(f"{cls.name}: has nothing to print for an example")

    @classmethod
    @abstractmethod
    def page(cls, inputs: "Inputs", prepared: Path, examples: int) -> dict[str, Any]:
        """The part of the report that is specific to this task; the arguments are those of `report.pages`."""


def wrong_target(prepared: Path, has: str, section: str, learns: str, remedy: str) -> UserError:
    """The error for data with another target."""
    return UserError(f"{prepared}: the target is {has}, and {section} learns {learns}; {remedy}")
