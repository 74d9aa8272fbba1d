"""The task regress: its loss and scale, against the formulas written out; its metrics, against scikit-learn's."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from handmade import card, model
from networks import build
from sprout.augment.draws import draws
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.runtime.errors import UserError
from sprout.tasks import Regress
from sprout.tasks.distances import Distance, distances
from sprout.tasks.interfaces import Limits
from sprout.tasks.regress import NumberCriterion, coefficients, known, regression_metrics

SHAPE = (4, 3, 2)
CARD = card("regress", SHAPE)
LOSSES: list[Distance] = ["mse", "mae", "huber"]


def written_out(loss: Distance, difference: Any) -> Any:
    """The distance of numbers that differ so much."""
    size = np.abs(difference)
    return {"mse": size**2, "mae": size, "huber": np.where(size < 1, size**2 / 2, size - 0.5)}[loss]


@pytest.mark.parametrize("loss", LOSSES)
def test_distances_keep_the_shape(loss: Distance) -> None:
    outputs, targets = np.random.default_rng(0).normal(0, 2, (2, 5, 3, 2))
    found = distances(loss, torch.as_tensor(outputs), torch.as_tensor(targets))
    np.testing.assert_allclose(found.numpy(), written_out(loss, outputs - targets))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("training", [True, False])
def test_the_loss_is_in_the_networks_scale_and_the_metric_in_the_datas(loss: Distance, training: bool) -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(0, 2, (7, 1)), generator.normal(0, 2, 7)
    criterion, inputs = NumberCriterion(loss, 5.0), torch.zeros(7)
    found = criterion.losses(torch.as_tensor(outputs), torch.as_tensor(targets), inputs, training=training)
    np.testing.assert_allclose(found.numpy(), written_out(loss, outputs[:, 0] - targets))
    metrics = criterion.metrics(torch.as_tensor(outputs), torch.as_tensor(targets))
    np.testing.assert_allclose(metrics.numpy(), np.abs(outputs[:, 0] - targets) * 5)
    assert Regress.epoch_metric == "mae"


def test_the_network_is_shown_examples_as_they_are() -> None:
    rows = torch.rand(7, 2)
    assert NumberCriterion("mse", 1.0).network_input(rows, draws(0, 0, torch.arange(7))) is rows


def task(loss: Distance = "huber") -> Regress:
    return Regress(kind="regress", loss=loss)


def test_the_criterion_is_that_of_the_settings_and_the_card() -> None:
    assert task().criterion(Examples([]), CARD) == NumberCriterion("huber", 20.0)


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("standard", {"mean": 4.0, "std": np.std([1.0, 3.0, 8.0])}),
        ("min_max", {"mean": 1.0, "std": 7.0}),
        ("none", {"mean": 0.0, "std": 1.0}),
        ("imagenet", {"mean": 4.0, "std": np.std([1.0, 3.0, 8.0])}),
    ],
)
def test_the_scale_of_the_numbers_to_predict(normalise: str, expected: dict[str, float]) -> None:
    assert task().target_scale(np.array([1.0, 3.0, 8.0]), normalise) == pytest.approx(expected)


@pytest.mark.parametrize("normalise", ["standard", "min_max"])
def test_the_scale_of_equal_numbers_divides_by_one(normalise: str) -> None:
    assert task().target_scale(np.full(4, 5.0), normalise) == {"mean": 5.0, "std": 1.0}


def test_what_it_asks_of_a_network() -> None:
    assert Regress.outputs(0) == Regress.outputs(3) == 1
    assert task().describe_outputs(0) == "one number"
    targets = Regress.network_targets(np.array([100.0, 140.0, 90.0]), CARD)
    assert (targets.tolist(), targets.dtype) == ([0.0, 2.0, -0.5], np.float32)


def described(target: str | None) -> Description:
    return Description(target, [], [0.5], [0.5], None, None, None)


@pytest.mark.parametrize(("target", "named"), [("class", "a class"), (None, "not there")])
def test_data_without_a_number_is_refused(target: str | None, named: str) -> None:
    Regress.check_data(Path("data"), described("number"), "train")
    with pytest.raises(UserError, match=rf"^data: .*{named}.*train.*train/task"):
        Regress.check_data(Path("data"), described(target), "train")
    Regress.check_labels(Path("data"), [], Examples([]))


def test_predictions_are_in_the_unit_of_the_data() -> None:
    found = Regress.predictions(np.array([[0.0], [2.0], [-0.5]], np.float32), CARD)
    assert (found.tolist(), found.dtype) == ([100.0, 140.0, 90.0], np.float64)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_metrics_are_scikit_learns(scale: float) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(3, 1, 200) * scale
    predicted = (values + generator.normal(0, 0.5, 200) * scale).astype(np.float32)
    assert regression_metrics(predicted, values) == pytest.approx(
        {
            "rmse": root_mean_squared_error(values, predicted),
            "mae": mean_absolute_error(values, predicted),
            "r2": r2_score(values, predicted),
        }
    )


def test_r2_is_below_zero_where_the_mean_is_better() -> None:
    assert regression_metrics(np.array([3.0, 1.0]), np.array([1.0, 3.0]))["r2"] == -3.0


def test_equal_values_have_no_r2() -> None:
    found = regression_metrics(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert found == {"rmse": 1.0, "mae": 1.0, "r2": None}


def test_without_an_example_there_are_no_metrics() -> None:
    assert regression_metrics(np.zeros(0), np.zeros(0)) == {"rmse": None, "mae": None, "r2": None}


VALUES = [90.0, None, 110.0, 95.5, None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five images, of which three have a number."""
    rows, images = np.arange(5), np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    table = label_table(rows, [None] * 5, value=pa.array(VALUES), source="given", group=rows, origin=[""] * 5)
    write_store(tmp_path / "store", images, table)
    return open_store(tmp_path / "store")


def test_numbers_that_are_known(store: Store) -> None:
    values, rows = known(store)
    assert (values.tolist(), rows.tolist()) == ([90.0, 110.0, 95.5], [0, 2, 3])


def test_the_metrics_of_a_store_are_of_known_numbers(store: Store) -> None:
    predictor = model("regress", SHAPE)
    examined = Regress.examine(predictor, store, "val")
    assert examined.shape == (5, 1)
    predicted = predictor.predict(store.take(np.array([0, 2, 3])))
    found = Regress.metrics(examined, predictor.card, store, 5)
    assert found == pytest.approx(regression_metrics(predicted, np.array([90.0, 110.0, 95.5])))
    mae = found["mae"]
    assert mae is not None
    assert 1 < mae < 100


def test_an_evaluation(store: Store, tmp_path: Path) -> None:
    models = {"teacher": model("regress", SHAPE), "student": model("regress", SHAPE, seed=1)}
    examined = {role: Regress.examine(each, store, "test") for role, each in models.items()}
    table = Regress.write_evaluation(tmp_path, models, store, examined, Limits(bins=5, examples=0)).to_pydict()
    assert (table["row"], table["value"]) == ([0, 2, 3], [90.0, 110.0, 95.5])
    for role, each in models.items():
        assert table[role] == pytest.approx(each.predict(store.take(np.array([0, 2, 3]))))
    assert (tmp_path / "confusion.csv").read_text() == "actual,predicted\n"


# A linear model's equation.

LINEAR = {"name": "mlp", "hidden": (), "batch_norm": False, "activation": "relu", "dropout": 0.0}
SCALES: dict[str, Any] = {"mean": [3000.0, -1.0], "std": [800.0, 0.5], "features": ["weight", "age"]}


def test_the_coefficients_are_in_the_units_of_the_data() -> None:
    predictor = model("regress", (2,), architecture=LINEAR, **SCALES)
    weight, age, bias = coefficients(predictor.network, predictor.card)
    assert [row["name"] for row in (weight, age, bias)] == ["weight", "age", "bias"]
    rows = np.random.default_rng(0).normal(SCALES["mean"], SCALES["std"], (9, 2)).astype(np.float32)
    by_hand = rows @ [weight["coefficient"], age["coefficient"]] + bias["coefficient"]
    np.testing.assert_allclose(by_hand, predictor.predict(rows), rtol=1e-5)


def test_features_without_a_name_are_counted() -> None:
    predictor = model("regress", (2,), architecture=LINEAR, **SCALES | {"features": None})
    names = [row["name"] for row in coefficients(predictor.network, predictor.card)]
    assert names == ["feature 0", "feature 1", "bias"]


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((2,), {"architecture": LINEAR | {"hidden": (4,)}}),
        ((1, 1, 2), {"architecture": LINEAR}),
        ((2,), {"target": None}),
    ],
)
def test_other_models_have_no_equation(shape: tuple[int, ...], changes: dict[str, Any]) -> None:
    said = card("regress", shape, **{"architecture": LINEAR} | changes)
    network = build((shape[-1], *shape[:-1]), 1, **changes.get("architecture", LINEAR))
    assert coefficients(network, said) == []


def test_the_model_folder_of_a_linear_model_holds_its_equation(tmp_path: Path) -> None:
    linear, deep = model("regress", (2,), architecture=LINEAR, **SCALES), model("regress", (2,))
    Regress.write_details(tmp_path, deep.network, deep.card, np.zeros((0, 1)), Examples([]))
    assert not (tmp_path / "coefficients.csv").exists()
    Regress.write_details(tmp_path, linear.network, linear.card, np.zeros((0, 1)), Examples([]))
    with (tmp_path / "coefficients.csv").open(newline="") as file:
        rows = [{"name": row["name"], "coefficient": float(row["coefficient"])} for row in csv.DictReader(file)]
    assert rows == coefficients(linear.network, linear.card)


def test_what_users_are_shown() -> None:
    assert Regress.summary({"mae": 12.3456}, 5) == "error 12.35 (mean absolute)"
    assert Regress.signature([2], []) == ("float64", (-1,))
    assert Regress.printed_columns(3) == ["value"]
    assert Regress.printed_prediction(np.float64(12.5), [], 3) == {"value": 12.5}
