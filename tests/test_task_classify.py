"""The task classify: its loss, against the formulas written out; its metrics, against scikit-learn's."""

import csv
import tracemalloc
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.special import expit, log_softmax
from scipy.special import softmax as reference
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_recall_fscore_support

from handmade import card, model, outcomes
from sprout.augment.draws import draws
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.data.store import Store, class_indices, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.evaluate.calibration import calibration_error, fit_temperature
from sprout.evaluate.class_metrics import PER_CLASS, classification_metrics, per_class
from sprout.evaluate.significance import cross_validated_interval
from sprout.runtime.errors import UserError
from sprout.tasks import Classify
from sprout.tasks import class_outcomes as module
from sprout.tasks.class_criterion import ClassCriterion, class_weights
from sprout.tasks.class_outcomes import OUTCOME, labelled, softmax
from sprout.tasks.interfaces import Limits

N, K = 7, 3
SHAPE = (4, 3, 2)
GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(0, 2, (N, K))
LABELS = np.array([0, 2, 1, 2, 2, 0, 2])
CARD = card("classify", SHAPE)


def losses(criterion: ClassCriterion, training: bool = True) -> Any:
    outputs, targets = torch.as_tensor(LOGITS), torch.as_tensor(LABELS)
    return criterion.losses(outputs, targets, torch.zeros(N), training=training).numpy()


def smoothed(smoothing: float) -> Any:
    """One-hot targets of which the share `smoothing` is spread over all classes: (N, K)."""
    return np.eye(K)[LABELS] * (1 - smoothing) + smoothing / K


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy(smoothing: float) -> None:
    expected = -(smoothed(smoothing) * log_softmax(LOGITS, axis=1)).sum(axis=1)
    np.testing.assert_allclose(losses(ClassCriterion("cross_entropy", smoothing, None)), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_loss_of_each_class_against_all_others(smoothing: float) -> None:
    target = smoothed(smoothing)
    expected = -(target * np.log(expit(LOGITS)) + (1 - target) * np.log(expit(-LOGITS))).sum(axis=1)
    np.testing.assert_allclose(losses(ClassCriterion("binary", smoothing, None)), expected)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
def test_an_example_counts_by_the_weight_of_its_class(loss: str) -> None:
    weights = class_weights(LABELS, K)
    np.testing.assert_allclose(weights, [7 / (3 * 2), 7 / (3 * 1), 7 / (3 * 4)], rtol=1e-6)
    assert weights[LABELS].mean().item() == pytest.approx(1)
    plain, weighted = (losses(ClassCriterion(loss, 0.1, each)) for each in (None, weights))
    np.testing.assert_allclose(weighted, plain * weights.numpy()[LABELS], rtol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
def test_smoothing_and_weights_are_for_training_alone(loss: str) -> None:
    plain, other = ClassCriterion(loss, 0.0, None), ClassCriterion(loss, 0.3, class_weights(LABELS, K))
    expected = losses(plain, training=False)
    np.testing.assert_array_equal(losses(other, training=False), expected)
    assert not np.allclose(losses(other), expected)


def test_the_weight_of_a_class_without_an_example_is_finite() -> None:
    assert torch.isfinite(class_weights(np.array([0, 0, 2]), 4)).all()


def test_the_metric_of_an_epoch_is_accuracy() -> None:
    found = ClassCriterion("cross_entropy", 0.0, None).metrics(torch.as_tensor(LOGITS), torch.as_tensor(LABELS))
    np.testing.assert_array_equal(found.numpy(), LOGITS.argmax(axis=1) == LABELS)
    assert Classify.epoch_metric == "accuracy"


def test_the_network_is_shown_examples_as_they_are() -> None:
    images = torch.rand(N, 1, 4, 4)
    assert ClassCriterion("binary", 0.0, None).network_input(images, draws(0, 0, torch.arange(N))) is images


def task(**changes: Any) -> Classify:
    settings = {"kind": "classify", "loss": "binary", "label_smoothing": 0.1, "class_weights": "none"}
    return Classify(**settings | changes)


def test_the_criterion_is_that_of_the_settings(make_store: Any) -> None:
    train = Examples.of(make_store(N, shape=SHAPE, labels=LABELS), target="label")
    assert task().criterion(train, CARD) == ClassCriterion("binary", 0.1, None)
    balanced = task(class_weights="balanced").criterion(train, CARD)
    assert isinstance(balanced, ClassCriterion)
    assert balanced.weights is not None
    assert torch.equal(balanced.weights, class_weights(LABELS, K))


def test_what_it_asks_of_a_network() -> None:
    assert Classify.outputs(K) == task().outputs(K) == K
    assert task().describe_outputs(K) == "3 classes"
    assert Classify.network_targets(LABELS, CARD) is LABELS
    assert task().target_scale(LABELS, "standard") is None
    assert task().input_noise is None
    network = torch.nn.Identity()
    assert task().final_model(network, CARD, Examples([]), seed=0, threads=1) == (network, CARD)


def described(target: str | None) -> Description:
    return Description(target, ["a", "b", "c"], [0.5], [0.5], None, None, None)


def test_data_with_a_number_to_learn_is_refused() -> None:
    Classify.check_data(Path("data"), described("class"), "train")
    with pytest.raises(UserError, match=r"^data: .*a number.*train/task=regress"):
        Classify.check_data(Path("data"), described("number"), "train")


@pytest.mark.parametrize(("absent", "named"), [([1], "'class 1';"), (range(1, 15), "'class 10' and 4 more;")])
def test_a_class_without_an_example_is_refused(make_store: Any, absent: Any, named: str) -> None:
    classes = [f"class {index}" for index in range(20)]
    labels = [index for index in range(20) if index not in absent]
    train = Examples.of(make_store(len(labels), labels=labels), target="label")
    with pytest.raises(UserError, match=r"prepare\.labels") as refused:
        Classify.check_labels(Path("data"), classes, train)
    assert named in str(refused.value)
    Classify.check_labels(Path("data"), classes[:1], Examples.of(make_store(2, name="one", classes=1), target="label"))


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_softmax(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 30, (50, 4)).astype(np.float32)
    found = softmax(logits, temperature)
    np.testing.assert_allclose(found, reference(logits.astype(np.float64) / temperature, axis=1), atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("at_once", [1, 9, 40])
def test_a_softmax_in_parts_has_the_same_bits(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(0, 30, (50, 4)).astype(np.float32)
    whole = softmax(logits, 0.7)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    np.testing.assert_array_equal(softmax(logits, 0.7), whole)
    assert softmax(logits[:0], 0.7).shape == (0, 4)


def test_a_softmax_needs_little_memory_beside_its_result() -> None:
    logits = np.zeros((20_000, 1000), np.float32)
    tracemalloc.start()
    found = softmax(logits, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - found.nbytes < 40e6 < found.nbytes


def test_logits_without_a_temperature_are_taken_as_they_are() -> None:
    logits = np.array([[0.0, np.log(3)]], np.float32)
    np.testing.assert_allclose(softmax(logits, None), [[0.25, 0.75]], rtol=1e-6)


def test_predictions_are_calibrated_probabilities() -> None:
    found = Classify.predictions(LOGITS, CARD)
    np.testing.assert_allclose(found, reference(LOGITS / 2.5, axis=1), atol=1e-6)
    assert found.dtype == np.float32
    assert Classify.predictions(np.zeros((0, K), np.float32), CARD).shape == (0, K)


# Metrics.


def case(seed: int, classes: int, n: int, absent: int | None) -> tuple[Any, Any]:
    """Probabilities and labels; the `absent` class has no example and is never predicted."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), n)
    labels = generator.integers(0, classes, n)
    if absent is not None:
        probabilities[:, absent] = 0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        labels[labels == absent] = (absent + 1) % classes
    return probabilities, labels


def outcomes_for(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What is kept of examples with these probabilities, (n, K) float32."""
    found = np.zeros(len(labels), OUTCOME)
    found["predicted"], found["confidence"] = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found["of_label"] = probabilities[np.arange(len(labels)), labels]
    return found


def test_what_is_kept_of_an_example_is_that_of_its_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also block by block; and of logits that differ by less than their probabilities can tell."""
    monkeypatch.setattr(module, "AT_ONCE", 7 * K)
    logits, labels = np.random.default_rng(0).normal(0, 3, (50, K)).astype(np.float32), np.arange(50) % (K + 1) - 1
    logits[3] = np.arange(K)
    logits[4] = np.nextafter(np.float32(1), np.float32(2)) * (np.arange(K) == 1) + 1.0 * (np.arange(K) == 0)
    found = Classify.outcomes(logits, replace(CARD, temperature=2.0), labels)
    for name, temperature in (("raw_", None), ("", 2.0)):
        probabilities = softmax(logits, temperature)
        np.testing.assert_array_equal(found[f"{name}predicted"], probabilities.argmax(axis=1))
        np.testing.assert_array_equal(found[f"{name}confidence"], probabilities.max(axis=1))
    known = labels >= 0
    np.testing.assert_array_equal(found["of_label"][known], probabilities[known, labels[known]])
    assert np.isnan(found["of_label"][~known]).all()
    np.testing.assert_array_equal(found["highest"], logits.argmax(axis=1))
    assert (found["highest"][4], found["predicted"][4]) == (1, 0), "their probabilities are equal"


CASES = [(0, 4, 200, None), (1, 10, 500, None), (2, 5, 100, 2), (3, 2, 1, None)]


@pytest.mark.parametrize("which", CASES, ids=str)
def test_the_metrics_are_scikit_learns(which: tuple[int, int, int, int | None]) -> None:
    probabilities, labels = case(*which)
    predicted = probabilities.argmax(axis=1)
    assert classification_metrics(outcomes_for(probabilities, labels), labels, 10) == pytest.approx(
        {
            "accuracy": accuracy_score(labels, predicted),
            "error_rate": 1 - accuracy_score(labels, predicted),
            "log_loss": log_loss(labels, probabilities, labels=range(which[1])),
            "calibration_error": calibration_error(probabilities.max(axis=1), predicted == labels, 10),
            "macro_f1": f1_score(labels, predicted, average="macro"),
        }
    )


@pytest.mark.parametrize(
    ("predicted", "labels", "expected"),
    [
        ([0, 1, 1], [0, 1, 2], (1 + 2 / 3 + 0) / 3),  # of four classes the last occurs nowhere
        ([0, 1, 2, 2], [0, 1, 2, 2], 1.0),
        ([0, 1, 3], [0, 1, 2], 2 / 4),  # a class that is only predicted counts
    ],
)
def test_macro_f1_is_the_mean_over_the_classes_that_occur(
    predicted: list[int], labels: list[int], expected: float
) -> None:
    probabilities = np.eye(4, dtype=np.float32)[predicted]
    found = outcomes_for(probabilities, np.array(labels))
    assert classification_metrics(found, np.array(labels), 5)["macro_f1"] == pytest.approx(expected)
    assert expected == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))


def test_the_log_loss_of_an_impossible_class_is_finite() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    labels = np.array([1, 1])
    found = classification_metrics(outcomes_for(probabilities, labels), labels, 10)["log_loss"]
    assert found == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)


@pytest.mark.parametrize("which", CASES, ids=str)
def test_per_class(which: tuple[int, int, int, int | None]) -> None:
    probabilities, labels = case(*which)
    names = [f"class {index}" for index in range(which[1])]
    rows = per_class(probabilities.argmax(axis=1), labels, names)
    expected = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(which[1]), zero_division=0
    )
    assert [row["class"] for row in rows] == names
    for key, column in zip(PER_CLASS[1:], expected, strict=True):
        np.testing.assert_allclose([row[key] for row in rows], column, rtol=1e-12)


def test_the_support_is_a_count_where_no_prediction_is_correct() -> None:
    rows = per_class(np.array([1, 1]), np.array([0, 0]), ["a", "b"])
    assert [str(row["support"]) for row in rows] == ["2", "0"]


def test_without_an_example_there_are_no_metrics() -> None:
    none = np.zeros(0, np.int64)
    assert set(classification_metrics(outcomes_for(np.zeros((0, 2), np.float32), none), none, 5).values()) == {None}
    zeros = {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert per_class(none, none, ["a", "b"]) == [{"class": "a", **zeros}, {"class": "b", **zeros}]


def store_of(folder: Path, labels: list[int | None]) -> Store:
    """Random images with these labels; None where one is not known."""
    n, generator = len(labels), np.random.default_rng(0)
    images = generator.integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, images, table)
    return open_store(folder)


def test_labels_that_are_known(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [2, None, 0, None])
    assert class_indices(store.labels).tolist() == [2, -1, 0, -1]
    labels, rows = labelled(store)
    assert (labels.tolist(), rows.tolist()) == ([2, 0], [0, 2])


def test_the_metrics_of_a_store_are_of_calibrated_probabilities_and_known_labels(tmp_path: Path) -> None:
    store, predictor = store_of(tmp_path / "store", [0, 1, None, 2, 1, None, 0]), model("classify", SHAPE)
    examined = Classify.examine(predictor, store, "val")
    np.testing.assert_allclose(examined, predictor.outputs(store.take(np.arange(7))), rtol=1e-6)
    probabilities = predictor.predict(store.take(np.array([0, 1, 3, 4, 6])))
    labels = np.array([0, 1, 2, 1, 0])
    expected = classification_metrics(outcomes_for(probabilities, labels), labels, 5)
    assert Classify.metrics(outcomes(predictor, store), predictor.card, store, 5) == pytest.approx(expected)


def test_val_gives_the_temperature_and_the_metrics_of_each_class(tmp_path: Path) -> None:
    labels = [0, 1, None, 2, 1, None, 0]
    store = store_of(tmp_path / "store", labels)
    val, examined = Examples.of(store, target="label"), np.random.default_rng(1).normal(0, 2, (7, K))
    known = [row for row, label in enumerate(labels) if label is not None]
    calibrated = Classify.calibrated(CARD, examined, val)
    assert calibrated.temperature == fit_temperature(examined[known], val.targets)
    found = Classify.outcomes(examined, calibrated, class_indices(store.labels))
    Classify.write_details(tmp_path, torch.nn.Identity(), calibrated, found, val)
    with (tmp_path / "per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = per_class(softmax(examined[known], calibrated.temperature).argmax(axis=1), val.targets, CARD.classes)
    assert rows == [{key: str(value) for key, value in row.items()} for row in expected]


def test_the_result_in_words() -> None:
    assert Classify.summary({"error_rate": 0.0125}, 400) == "error 1.2% (0.5% to 2.9%)"
    low, high = cross_validated_interval(5, 400)
    assert Classify.summary({"error_rate": 0.0125}, 400, crossed=True) == f"error 1.2% ({low:.1%} to {high:.1%})"
    assert Classify.summary({"error_rate": None}, 0) == "error unknown"


# The evaluation. The teacher takes both cats for bees, the student one of them.

CLASSES = ["ant", "bee", "cat"]
TEACHER = [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.7, 0.2], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.6, 0.4]]
STUDENT = [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.6, 0.4]]
UNKNOWN = [0.0, 0.0, 1.0]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, pa.Table]:
    """The evaluation of a test split of seven, of which the third has no label."""
    folder, test = tmp_path / "evaluation", store_of(tmp_path / "test", [0, 1, None, 2, 0, 1, 2])
    folder.mkdir()
    models = dict.fromkeys(("teacher", "student"), model("classify", SHAPE, classes=CLASSES, temperature=2.0))
    probabilities = {"teacher": TEACHER, "student": STUDENT}
    examined = {  # logits of these probabilities at temperature 2
        role: 2 * np.log(np.maximum([*rows[:2], UNKNOWN, *rows[2:]], 1e-30)) for role, rows in probabilities.items()
    }
    labels = class_indices(test.labels)
    found = {role: Classify.outcomes(each, models[role].card, labels) for role, each in examined.items()}
    return folder, Classify.write_evaluation(folder, models, test, found, Limits(bins=5, examples=0))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_an_evaluation(written: tuple[Path, pa.Table]) -> None:
    expected = {"per_class.csv", "calibration.csv", "calibration_errors.csv", "confusion.csv"}
    assert {path.name for path in written[0].iterdir()} == expected


def test_predictions_of_examples_with_a_label(written: tuple[Path, pa.Table]) -> None:
    table = written[1].to_pydict()
    assert list(table) == ["row", "label", "teacher", "teacher_confidence", "student", "student_confidence"]
    assert table["row"] == [0, 1, 3, 4, 5, 6]
    assert table["label"] == [0, 1, 2, 0, 1, 2]
    assert table["teacher"] == [0, 1, 1, 0, 1, 1]
    assert table["student"] == [0, 1, 2, 0, 1, 1]
    assert table["student_confidence"] == pytest.approx([0.9, 1.0, 0.8, 0.8, 0.8, 0.6])
    assert table["teacher_confidence"] == pytest.approx([0.8, 0.6, 0.7, 0.9, 0.9, 0.6])


def test_metrics_of_each_class(written: tuple[Path, pa.Table]) -> None:
    rows = rows_of(written[0] / "per_class.csv")
    assert [(row["model"], row["class"]) for row in rows] == [(m, c) for m in ("teacher", "student") for c in CLASSES]
    assert [float(row["recall"]) for row in rows] == [1, 1, 0, 1, 1, 0.5]
    assert [float(row["precision"]) for row in rows] == pytest.approx([1, 0.5, 0, 1, 2 / 3, 1])
    assert {row["support"] for row in rows} == {"2"}


def test_calibration_curves(written: tuple[Path, pa.Table]) -> None:
    rows = rows_of(written[0] / "calibration.csv")
    assert list(rows[0]) == ["model", "calibration", "bin", "confidence", "accuracy", "count"]
    for name, when in product(("teacher", "student"), ("before", "after")):
        assert sum(int(row["count"]) for row in rows if (row["model"], row["calibration"]) == (name, when)) == 6


def test_calibration_errors_are_those_without_and_with_the_temperature(written: tuple[Path, pa.Table]) -> None:
    """The students' probabilities are p at temperature 2, and p² / Σ p² without one."""
    _, row = rows_of(written[0] / "calibration_errors.csv")
    labels, after = np.array([0, 1, 2, 0, 1, 2]), np.array(STUDENT)
    before = after**2 / (after**2).sum(axis=1, keepdims=True)
    assert (row["model"], row["examples"]) == ("student", "6")
    assert float(row["before"]) == pytest.approx(error_of_calibration(before, labels), abs=1e-6)
    assert float(row["after"]) == pytest.approx(error_of_calibration(after, labels), abs=1e-6)


def error_of_calibration(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, 5)


def test_the_confusions_are_the_students(written: tuple[Path, pa.Table]) -> None:
    rows = rows_of(written[0] / "confusion.csv")
    assert [row["actual"] for row in rows] == ["ant", "bee", "cat"] * 2
    assert [row["predicted"] for row in rows] == ["ant", "bee", "cat", "ant", "bee", "bee"]


def test_a_test_split_without_a_label(tmp_path: Path) -> None:
    test, predictor = store_of(tmp_path / "test", [None, None]), model("classify", SHAPE)
    models = dict.fromkeys(("teacher", "student"), predictor)
    found = dict.fromkeys(models, outcomes(predictor, test))
    assert set(Classify.metrics(found["student"], predictor.card, test, 5).values()) == {None}
    table = Classify.write_evaluation(tmp_path, models, test, found, Limits(bins=5, examples=0))
    assert table.num_rows == 0
    for name in ("confusion.csv", "calibration.csv", "calibration_errors.csv"):
        assert rows_of(tmp_path / name) == []


def test_what_users_are_shown() -> None:
    assert Classify.signature([8, 8, 1], CLASSES) == ("float32", (-1, 3))
    assert Classify.printed_columns(3) == ["1", "2", "3"]
    likeliest = [{"class": "cat", "probability": 0.5}, {"class": "ant", "probability": 0.25}]
    assert Classify.printed_prediction([0.25, 0.25, 0.5], CLASSES, 2) == {"top": likeliest}
