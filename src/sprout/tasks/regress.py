"""Regression: a number for each example."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT
from sprout.tasks.base import Task, wrong_target
from sprout.tasks.confusion import write_confusion
from sprout.tasks.distances import Distance, distances
from sprout.tasks.interfaces import Criterion, Limits, TrainedModel
from sprout.tasks.scores import Errors, Metrics, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from sprout.augment.draws import Draw
    from sprout.data.dataset import Examples
    from sprout.data.description import Description
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard


@dataclass(frozen=True, config=STRICT)
class Regress(Task):
    kind: Literal["regress"]
    """A number for each example."""
    loss: Distance
    """Between the number and the prediction, both scaled as `normalise` says."""

    name: ClassVar[str] = "regress"
    column: ClassVar[str | None] = "value"
    target: ClassVar[str | None] = "number"
    epoch_metric: ClassVar[str | None] = "mae"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("mae", "Mean absolute error", "compact", False),
        Score("rmse", "Root mean squared error", "compact", False),
        Score("r2", "R²", "decimal", True),
    )
    curves: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("loss", "Loss", "Loss"),
        ("mae", "Mean absolute error", "Mean absolute error"),
    )
    meaning: ClassVar[str | None] = (
        "Errors in the unit of the predicted number; the squared one weighs large errors more. R²: the share of the "
        "variance of the true values that the predictions account for, 1 is best."
    )
    mlflow_type: ClassVar[str] = "regressor"

    def criterion(self, train: "Examples", card: "ModelCard") -> Criterion:
        """The distance, in the network's scale."""
        return NumberCriterion(self.loss, (card.target or {"std": 1.0})["std"])

    def target_scale(self, values: "Array", normalise: str) -> dict[str, float] | None:
        """The scale that `normalise` asks for, by the statistics of the training values."""
        if normalise == "none":
            return {"mean": 0.0, "std": 1.0}
        if normalise == "min_max":
            return {"mean": float(values.min()), "std": float(values.max() - values.min()) or 1.0}
        return {"mean": float(values.mean()), "std": float(values.std()) or 1.0}

    def describe_outputs(self, classes: int) -> str:
        """One number."""
        return "one number"

    @classmethod
    def check_data(cls, prepared: Path, described: "Description", section: str) -> None:
        """Check that the target is a number."""
        if described.target != "number":
            has = "a class" if described.target == "class" else "not there"
            remedy = "choose data with a number to learn, or another train/task"
            raise wrong_target(prepared, has, section, f"a number (task.kind={cls.name})", remedy)

    @classmethod
    def outputs(cls, classes: int) -> int:
        """One."""
        return 1

    @classmethod
    def network_targets(cls, targets: "Array", card: "ModelCard") -> "Array":
        """(N,) float64 in the data's unit → (N,) float32 in the network's scale."""
        assert card.target is not None
        scaled: Array = ((targets - card.target["mean"]) / card.target["std"]).astype("float32")
        return scaled

    @classmethod
    def predictions(cls, outputs: "Array", card: "ModelCard") -> "Array":
        """(N, 1) in the network's scale → (N,) float64 in the data's unit."""
        assert card.target is not None
        values: Array = outputs[:, 0].astype("float64") * card.target["std"] + card.target["mean"]
        return values

    @classmethod
    def exported(cls, outputs: "Tensor", card: "ModelCard") -> "Tensor":
        """(N, 1) in the network's scale → (N,) float64 in the data's unit."""
        assert card.target is not None
        return outputs[:, 0].double() * card.target["std"] + card.target["mean"]

    @classmethod
    def metrics(cls, outcomes: "Array", card: "ModelCard", store: "Store", bins: int) -> Metrics:
        """See `regression_metrics`."""
        values, rows = known(store)
        return regression_metrics(cls.predictions(outcomes[rows], card), values)

    @classmethod
    def errors(cls, outcomes: "Array", card: "ModelCard", store: "Store") -> Errors | None:
        """The absolute errors, in the data's unit."""
        values, rows = known(store)
        return Errors("mae", rows, values, abs(cls.predictions(outcomes[rows], card) - values))

    @classmethod
    def write_details(
        cls, folder: Path, network: "nn.Module", card: "ModelCard", outcomes: "Array", val: "Examples"
    ) -> None:
        """Write `coefficients.csv` of a linear model on a table."""
        from sprout.runtime.files import write_rows

        if rows := coefficients(network, card):
            write_rows(folder / "coefficients.csv", ["name", "coefficient"], rows)

    @classmethod
    def summary(cls, metrics: Metrics, examples: int, *, crossed: bool = False) -> str:
        """The mean absolute error."""
        return f"error {metrics['mae']:.4g} (mean absolute)"

    @classmethod
    def write_evaluation(
        cls,
        folder: Path,
        models: Mapping[str, TrainedModel],
        test: "Store",
        outcomes: "Mapping[str, Array]",
        limits: Limits,
    ) -> "pa.Table":
        """One row per test example whose number is known: `row`, `value`, and each model's, in the data's unit."""
        import pyarrow as pa

        write_confusion(folder, [], [])
        values, rows = known(test)
        predicted = {role: cls.predictions(outcomes[role][rows], model.card) for role, model in models.items()}
        return pa.table({"row": rows, "value": values} | predicted)

    @classmethod
    def signature(cls, input_shape: list[int], classes: list[str]) -> tuple[str, tuple[int, ...]]:
        """(N,) numbers."""
        return "float64", (-1,)

    @classmethod
    def printed_columns(cls, top: int) -> list[str]:
        """The number."""
        return ["value"]

    @classmethod
    def printed_prediction(cls, prediction: Any, classes: list[str], top: int) -> dict[str, Any]:
        """The number."""
        return {"value": float(prediction)}

    @classmethod
    def prediction_columns(cls, predictions: "Array", classes: list[str]) -> "dict[str, pa.Array]":
        """The column `value`."""
        import pyarrow as pa

        return {"value": pa.array(predictions)}

    @classmethod
    def page(cls, inputs: Any, prepared: Path, examples: int) -> dict[str, Any]:
        """Predicted against true values, residuals, the equation and the worst predictions."""
        from sprout.report.pages.regress import page

        return page(inputs, prepared, examples)


@plain_dataclass(frozen=True)
class NumberCriterion:
    """The loss between numbers in the scale of the network."""

    loss: Distance
    std: float
    """One unit of the scale of the network, in the unit of the data."""

    def network_input(self, scaled: "Tensor", draw: "Draw") -> "Tensor":
        """The examples as they are."""
        return scaled

    def losses(self, outputs: "Tensor", targets: "Tensor", scaled: "Tensor", *, training: bool) -> "Tensor":
        """(N, 1), (N,) → (N,)."""
        return distances(self.loss, outputs[:, 0], targets.to(outputs))

    def metrics(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """The absolute error, in the data's unit."""
        return (outputs[:, 0] - targets).abs() * self.std


def known(store: "Store") -> "tuple[Array, Array]":
    """The known numbers, (n,) float64, and their rows, (n,) int64."""
    import numpy as np

    column = store.labels["value"]
    rows = np.flatnonzero(column.is_valid().to_numpy())
    return column.to_numpy()[rows], rows


def regression_metrics(predicted: "Array", values: "Array") -> Metrics:
    """Root mean squared error and mean absolute error, in the unit of the data, and R², by scikit-learn.

    R² is 1 for perfect predictions, 0 for always predicting the mean, below 0 for worse; None where all values are the
    same. All are None where there is no example.

    Args:
        predicted: (N,) float.
        values: (N,) float, the true ones.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    if not len(values):
        return dict.fromkeys(("rmse", "mae", "r2"))
    return {
        "rmse": float(root_mean_squared_error(values, predicted)),
        "mae": float(mean_absolute_error(values, predicted)),
        "r2": float(r2_score(values, predicted)) if values.min() < values.max() else None,
    }


def coefficients(network: "nn.Module", card: "ModelCard") -> list[dict[str, Any]]:
    """The equation of a linear model on a table: `name` and `coefficient` of each feature and of `bias`.

    They are in the data's units. The list is empty for any other model.
    """
    import torch
    from torch import nn

    layers = [layer for layer in network.modules() if not isinstance(layer, nn.Sequential | nn.Flatten)]
    if card.target is None or len(card.input_shape) != 1 or len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return []
    mean, std = torch.tensor(card.mean, dtype=torch.float64), torch.tensor(card.std, dtype=torch.float64)
    weights = layers[0].weight.detach().double()[0] / std * card.target["std"]
    bias = layers[0].bias.detach().double()[0] * card.target["std"] + card.target["mean"] - weights @ mean
    names = card.features or [f"feature {number}" for number in range(len(weights))]
    rows = [{"name": name, "coefficient": value} for name, value in zip(names, weights.tolist(), strict=True)]
    return [*rows, {"name": "bias", "coefficient": bias.item()}]
