"""Classification: the class of an example, with calibrated probabilities."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Share
from sprout.runtime.errors import UserError, listed
from sprout.tasks.base import Task, wrong_target
from sprout.tasks.class_criterion import ClassCriterion, class_weights
from sprout.tasks.class_outcomes import labelled, outcomes_of, softmax
from sprout.tasks.confusion import write_confusion
from sprout.tasks.interfaces import Criterion, Limits, TrainedModel
from sprout.tasks.scores import Errors, Metrics, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from sprout.data.dataset import Examples
    from sprout.data.description import Description
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard

NAMED = 10
"""Classes that an error names, at most; the others are counted."""


@dataclass(frozen=True, config=STRICT)
class Classify(Task):
    kind: Literal["classify"]
    """The class of an example."""
    loss: Literal["cross_entropy", "binary"]
    """Over all classes, or each class against all others (Wightman, Touvron and Jégou, 2021)."""
    label_smoothing: Share
    """Share of the target that is spread over all classes."""
    class_weights: Literal["none", "balanced"]
    """balanced: a class counts by the inverse of its share of the training examples."""

    name: ClassVar[str] = "classify"
    column: ClassVar[str | None] = "label"
    target: ClassVar[str | None] = "class"
    epoch_metric: ClassVar[str | None] = "accuracy"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "Accuracy", "share", True),
        Score("error_rate", "Error", "share", False),
        Score("log_loss", "Log loss", "decimal", False),
        Score("calibration_error", "Calibration error", "decimal", False),
        Score("macro_f1", "Macro F1", "decimal", True),
    )
    curves: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("loss", "Loss", "Loss (nats)"),
        ("accuracy", "Accuracy", "Accuracy"),
    )
    mlflow_type: ClassVar[str] = "classifier"
    has_pseudo_labels: ClassVar[bool] = True
    cross_validated: ClassVar[bool] = True

    def criterion(self, train: "Examples", card: "ModelCard") -> Criterion:
        """Cross-entropy, with the classes' weights."""
        balanced = self.class_weights == "balanced"
        weights = class_weights(train.targets, len(card.classes)) if balanced else None
        return ClassCriterion(self.loss, self.label_smoothing, weights)

    @classmethod
    def check_data(cls, prepared: Path, described: "Description", section: str) -> None:
        """Check that the target is not a number."""
        if described.target == "number":
            remedy = "take train/task=regress, or choose data with a class to learn"
            raise wrong_target(prepared, "a number", section, "classes", remedy)

    @classmethod
    def check_labels(cls, prepared: Path, classes: list[str], train: "Examples") -> None:
        """Check that each class has a training example."""
        import numpy as np

        counts = np.bincount(train.targets, minlength=len(classes))
        absent = [repr(name) for name, count in zip(classes, counts, strict=True) if not count]
        if absent:
            raise UserError(
                f"{prepared / 'train'}: no labelled example of class {listed(absent, NAMED)}; each of the "
                f"{len(classes)} classes needs some: label them, keep more of the labels (prepare.labels), or leave "
                "the class out"
            )

    @classmethod
    def predictions(cls, outputs: "Array", card: "ModelCard") -> "Array":
        """(N, K) logits → (N, K) float32 calibrated probabilities; rows sum to 1."""
        return softmax(outputs, card.temperature)

    @classmethod
    def exported(cls, outputs: "Tensor", card: "ModelCard") -> "Tensor":
        """(N, K) logits → (N, K) calibrated probabilities."""
        return (outputs / (card.temperature or 1.0)).softmax(dim=1)

    @classmethod
    def outcomes(cls, examined: "Array", card: "ModelCard", labels: "Array") -> "Array":
        """(N, K) logits → (N,) of the fields `class_outcomes.OUTCOME`."""
        return outcomes_of(examined, card.temperature, labels)

    @classmethod
    def metrics(cls, outcomes: "Array", card: "ModelCard", store: "Store", bins: int) -> Metrics:
        """See `classification_metrics`."""
        from sprout.evaluate.class_metrics import classification_metrics

        labels, rows = labelled(store)
        return classification_metrics(outcomes[rows], labels, bins)

    @classmethod
    def errors(cls, outcomes: "Array", card: "ModelCard", store: "Store") -> Errors | None:
        """1 where another class is the most likely one, else 0."""
        labels, rows = labelled(store)
        return Errors("error_rate", rows, labels, (outcomes["highest"][rows] != labels).astype("float64"))

    @classmethod
    def calibrated(cls, card: "ModelCard", examined: "Array", val: "Examples") -> "ModelCard":
        """The card with the temperature that fits val best."""
        from sprout.evaluate.calibration import fit_temperature

        return replace(card, temperature=fit_temperature(examined[val.rows], val.targets))

    @classmethod
    def write_details(
        cls, folder: Path, network: "nn.Module", card: "ModelCard", outcomes: "Array", val: "Examples"
    ) -> None:
        """Write `per_class.csv`, on val."""
        from sprout.evaluate.class_metrics import PER_CLASS, per_class
        from sprout.runtime.files import write_rows

        rows = per_class(outcomes["predicted"][val.rows], val.targets, card.classes)
        write_rows(folder / "per_class.csv", PER_CLASS, rows)

    @classmethod
    def summary(cls, metrics: Metrics, examples: int, *, crossed: bool = False) -> str:
        """The error rate with its 95% interval, where there are examples."""
        from sprout.evaluate.significance import cross_validated_interval, wilson_interval

        error = metrics["error_rate"]
        if error is None:
            return "error unknown"
        low, high = (cross_validated_interval if crossed else wilson_interval)(round(error * examples), examples)
        return f"error {error:.1%} ({low:.1%} to {high:.1%})"

    @classmethod
    def write_evaluation(
        cls,
        folder: Path,
        models: Mapping[str, TrainedModel],
        test: "Store",
        outcomes: "Mapping[str, Array]",
        limits: Limits,
    ) -> "pa.Table":
        """Write metrics of each class, calibration curves and the confusion matrix; return the predictions.

        The table has a row for each test example with a label: `row`, `label`, and of each model the class and its
        `confidence`.
        """
        import pyarrow as pa

        from sprout.evaluate.calibration import calibration_curve, write_calibration
        from sprout.evaluate.class_metrics import PER_CLASS, per_class
        from sprout.runtime.files import write_rows

        (labels, rows), classes = labelled(test), models["student"].card.classes
        columns: dict[str, Array] = {"row": rows, "label": labels}
        scores, before, after = [], {}, {}
        for role in models:
            found = outcomes[role][rows]
            predicted, confidence = found["predicted"].astype("int64"), found["confidence"].copy()
            scores += [{"model": role, **row} for row in per_class(predicted, labels, classes)]
            before[role] = calibration_curve(found["raw_confidence"], found["raw_predicted"] == labels, limits.bins)
            after[role] = calibration_curve(confidence, predicted == labels, limits.bins)
            columns |= {role: predicted, f"{role}_confidence": confidence}
        write_rows(folder / "per_class.csv", ["model", *PER_CLASS], scores)
        write_calibration(folder, before, after, len(labels))
        predicted = columns["student"]
        write_confusion(folder, [classes[label] for label in labels], [classes[index] for index in predicted])
        return pa.table(columns)

    @classmethod
    def signature(cls, input_shape: list[int], classes: list[str]) -> tuple[str, tuple[int, ...]]:
        """(N, K) probabilities."""
        return "float32", (-1, len(classes))

    @classmethod
    def printed_columns(cls, top: int) -> list[str]:
        """The ranks 1, 2, …"""
        return list(map(str, range(1, top + 1)))

    @classmethod
    def printed_prediction(cls, prediction: Any, classes: list[str], top: int) -> dict[str, Any]:
        """The most probable classes."""
        from sprout.predict.predictions import most_likely

        return most_likely(prediction, classes, top)

    @classmethod
    def prediction_columns(cls, predictions: "Array", classes: list[str]) -> "dict[str, pa.Array]":
        """The most probable class, its probability, and `probability_NAME` of each class."""
        import pyarrow as pa

        best = predictions.argmax(axis=1)
        return {
            "class": pa.array(classes, pa.string()).take(pa.array(best)),
            "probability": pa.array(predictions.max(axis=1)),
            **{f"probability_{name}": pa.array(column) for name, column in zip(classes, predictions.T, strict=True)},
        }

    @classmethod
    def page(cls, inputs: Any, prepared: Path, examples: int) -> dict[str, Any]:
        """Confusion matrix, calibration, pseudo-labels and mistakes."""
        from sprout.report.pages.classify import page

        return page(inputs, prepared, examples)
