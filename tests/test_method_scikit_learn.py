"""scikit-learn's models as torch modules: the same predictions, also after saving and loading."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from estimators import AUTOENCODER, CARD, digits, examples_in, one_run, pretrained, runs, seeds, table_of
from sprout.config.compose import compose_config
from sprout.config.model import Estimator, Forest, KMeans, Logistic
from sprout.data.dataset import Examples
from sprout.data.store import Array
from sprout.methods import ScikitLearn, scikit_learn
from sprout.methods.scikit_learn import check_classes, fit_estimator, required_features, task_of
from sprout.models.architecture import FittedForest, FittedKMeans
from sprout.models.card import ModelCard, save_model
from sprout.models.kmeans import no_convergence_warning
from sprout.models.normalise import network_inputs
from sprout.models.predictor import load_model
from sprout.runtime.errors import UserError
from sprout.tasks import Classify, Cluster

LOGISTIC = Logistic("logistic", c=1.0)
FOREST = Forest("forest", trees=12, max_depth=None, min_leaf=1)
KMEANS = KMeans("kmeans", clusters=10, restarts=3, features="raw", unit_length=False)
ON_NETWORK = replace(KMEANS, features="network")
Data = tuple[Examples, ModelCard]
DATA: dict[str, Callable[[Path], Data]] = {
    "images": digits,
    "rows": table_of,
    "two classes": lambda folder: table_of(folder, load=load_breast_cancer),
}


@pytest.fixture(params=DATA)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Data:
    return DATA[request.param](tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> Data:
    return digits(tmp_path)


def inputs_of(data: Data) -> Tensor:
    """All examples as the network takes them."""
    examples, card = data
    return network_inputs(examples.take(np.arange(len(examples))), card.mean, card.std)


def fit(
    model: Estimator,
    data: Data,
    features: tuple[nn.Module, ModelCard] | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> tuple[nn.Module, ModelCard]:
    return fit_estimator(model, *data, features, seed=seed, threads=threads)


def every_second(data: Data, folder: Path) -> Data:
    examples, card = data
    ids = np.arange(0, len(examples), 2)
    return examples_in(folder, examples.take(ids), examples.targets[ids]), card


@pytest.mark.parametrize("model", [LOGISTIC, FOREST], ids=str)
def test_an_example_of_weight_0_changes_nothing(model: Estimator, tmp_path: Path) -> None:
    (examples, card), n = digits(tmp_path), 600
    inputs, labels = examples.take(np.arange(n)), examples.targets[:n].copy()
    weight = np.ones(n)
    weight[::2] = 0
    labels[::2] = (labels[::2] + 1) % 10
    network, _ = fit(model, (examples_in(tmp_path, inputs, labels, weight), card))
    predicted = network(network_inputs(inputs, card.mean, card.std)).argmax(1).numpy()
    assert (predicted == labels)[1::2].mean() > 0.95
    assert (predicted == labels)[::2].mean() < 0.1


def same_probabilities(network: nn.Module, reference: Any, inputs: Tensor) -> None:
    logits = network(inputs).detach()
    assert logits.dtype == torch.float32
    expected = reference.predict_proba(inputs.flatten(1).numpy())
    assert np.abs(torch.softmax(logits, dim=1).numpy() - expected).max() < 1e-6
    assert (logits.argmax(dim=1).numpy() == reference.predict(inputs.flatten(1).numpy())).all()


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_regression_predicts_as_scikit_learn(data: Data, c: float) -> None:
    inputs = inputs_of(data)
    with threadpool_limits(1):  # as many as `fit` has: the sums of several threads differ
        reference = LogisticRegression(C=c, max_iter=1000).fit(inputs.flatten(1).numpy(), data[0].targets)
    network, card = fit(Logistic("logistic", c=c), data)
    assert not network.training
    assert (card.architecture.name, card.classes) == ("logistic", data[1].classes)
    same_probabilities(network, reference, inputs)


@pytest.mark.parametrize("options", [{}, {"max_depth": 3}, {"min_leaf": 7}, {"trees": 1}, {"max_depth": 1}])
def test_a_forest_predicts_as_scikit_learn(data: Data, options: dict[str, Any], tmp_path: Path) -> None:
    model = replace(FOREST, **options)
    reference = RandomForestClassifier(
        model.trees, max_depth=model.max_depth, min_samples_leaf=model.min_leaf, random_state=3
    )
    half = every_second(data, tmp_path)
    reference.fit(inputs_of(half).flatten(1).numpy(), half[0].targets)
    same_probabilities(fit(model, half, seed=3)[0], reference, inputs_of(data))


def plain_table(folder: Path, rows: Array, labels: Array) -> Data:
    """A table that is not scaled."""
    classes = [str(label) for label in np.unique(labels)]
    shape, scales = [rows.shape[1]], {"mean": [0.0] * rows.shape[1], "std": [1.0] * rows.shape[1]}
    card = replace(CARD, classes=classes, input_shape=shape, **scales)
    return examples_in(folder, rows.astype(np.float32), labels), card


def test_a_forest_without_a_split_gives_the_shares_of_the_classes(tmp_path: Path) -> None:
    data = plain_table(tmp_path, np.ones((60, 4)), np.repeat([0, 1, 2], [10, 20, 30]))
    network, card = fit(replace(FOREST, trees=200), data)
    assert isinstance(card.architecture, FittedForest)
    assert (card.architecture.splits, card.architecture.depth) == (0, 0)
    shares = network(torch.rand(5, 4)).exp()
    assert torch.allclose(shares, torch.tensor([1, 2, 3]) / 6, atol=0.03)


def test_a_value_on_a_threshold_goes_the_same_way_as_in_training(tmp_path: Path) -> None:
    """The middle of neighbours in float32 is none itself, and rounding to the even one would let the larger pass."""
    low = np.nextafter(np.float32(1e6), np.float32(2e6))
    high = np.nextafter(low, np.float32(2e6))
    assert np.float32((float(low) + float(high)) / 2) == high
    data = plain_table(tmp_path, np.array([[low], [high]] * 20), np.array([0, 1] * 20))
    logits = fit(FOREST, data)[0](inputs_of(data))
    assert (logits.argmax(dim=1).numpy() == data[0].targets).all()


def test_log_probabilities_stay_finite(images: Data) -> None:
    logits = fit(replace(FOREST, trees=1), images)[0](inputs_of(images))
    assert torch.isfinite(logits).all()
    assert logits.min() == pytest.approx(np.log(1e-9))


def test_kmeans_predicts_as_scikit_learn(data: Data) -> None:
    rows = inputs_of(data).flatten(1).numpy()
    reference = one_run(rows, 10, seeds(5, 1)[0])
    outputs = fit(replace(KMEANS, restarts=1), data, seed=5)[0](inputs_of(data))
    assert (outputs.argmax(dim=1).numpy() == reference.predict(rows)).all()
    assert -outputs.max(dim=1).values.sum().item() == pytest.approx(reference.inertia_, rel=1e-5)
    assert np.allclose(-outputs.numpy(), reference.transform(rows) ** 2, rtol=1e-3, atol=1e-4)


def test_the_tightest_of_several_runs_is_kept(images: Data) -> None:
    outputs = fit(replace(KMEANS, restarts=8), images)[0](inputs_of(images))
    inertias = [run.inertia_ for run in runs(inputs_of(images).flatten(1).numpy(), 10, 8)]
    assert -outputs.max(dim=1).values.sum().item() == pytest.approx(min(inertias), rel=1e-5)
    assert max(inertias) > min(inertias)


def test_with_unit_length_only_the_direction_counts(images: Data) -> None:
    inputs, (network, _) = inputs_of(images), fit(replace(KMEANS, unit_length=True), images)
    assert torch.allclose(network(inputs), network(7 * inputs), atol=1e-4)
    rows = inputs.flatten(1) / inputs.flatten(1).norm(dim=1, keepdim=True)
    inertias = [run.inertia_ for run in runs(rows.numpy(), 10, 3)]
    assert -network(inputs).max(dim=1).values.sum().item() == pytest.approx(min(inertias), rel=1e-4)


def purity(clusters: Array, labels: Array) -> float:
    hits: int = sum(np.bincount(labels[clusters == each]).max() for each in np.unique(clusters))
    return hits / len(labels)


def test_most_clusters_of_digits_are_of_one_digit(images: Data) -> None:
    clusters = fit(KMEANS, images)[0](inputs_of(images)).argmax(dim=1).numpy()
    assert purity(clusters, images[0].targets) > 0.75


def test_kmeans_on_the_features_of_a_classifier(images: Data) -> None:
    network, card = pretrained("classify")
    found, fitted = fit(ON_NETWORK, images, (network.eval(), card))
    rows = network[:-1](inputs_of(images)).detach().numpy()
    reference = min(runs(rows, 10, 3), key=lambda run: float(run.inertia_))
    assert (found(inputs_of(images)).argmax(dim=1).numpy() == reference.predict(rows)).all()
    assert isinstance(fitted.architecture, FittedKMeans)
    assert (fitted.architecture.dimensions, fitted.architecture.embedding) == (16, card.architecture)
    assert network(inputs_of(images)).shape == (len(images[0]), 10)  # the network itself is left as it was


def test_a_network_in_training_mode_is_evaluated_and_left_in_training(images: Data) -> None:
    network, card = pretrained("classify")
    assert network.training
    found = fit(ON_NETWORK, images, (network, card))[0]
    assert network.training
    again = fit(ON_NETWORK, images, (network.eval(), card))[0]
    assert all(
        torch.equal(*pair) for pair in zip(found.state_dict().values(), again.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(("code", "dimensions"), [(6, 6), (None, 8 * 2 * 2)])
def test_kmeans_on_the_code_of_an_autoencoder(images: Data, code: int | None, dimensions: int) -> None:
    network, card = pretrained("reconstruct", AUTOENCODER | {"code": code})
    found, fitted = fit(ON_NETWORK, images, (network, card))
    encoder: Any = network.encoder
    rows = encoder(inputs_of(images)).flatten(1).detach().numpy()
    reference = min(runs(rows, 10, 3), key=lambda run: float(run.inertia_))
    assert isinstance(fitted.architecture, FittedKMeans)
    assert rows.shape[1] == fitted.architecture.dimensions == dimensions
    assert (found(inputs_of(images)).argmax(dim=1).numpy() == reference.predict(rows)).all()


def test_examples_are_scaled_as_the_pretrained_network_was_trained(images: Data) -> None:
    network, card = pretrained("classify")
    scaled = replace(card, mean=[0.25], std=[0.5])
    found, fitted = fit(ON_NETWORK, images, (network.eval(), scaled))
    assert (fitted.mean, fitted.std) == ([0.25], [0.5])
    rows = network[:-1](inputs_of((images[0], scaled))).detach().numpy()
    reference = min(runs(rows, 10, 3), key=lambda run: float(run.inertia_))
    assert (found(inputs_of((images[0], scaled))).argmax(dim=1).numpy() == reference.predict(rows)).all()


MODELS = [(LOGISTIC, "classify"), (FOREST, "classify"), (KMEANS, "cluster")]


@pytest.mark.parametrize(
    ("model", "task"), [*MODELS, (ON_NETWORK, "cluster"), (replace(ON_NETWORK, unit_length=True), "cluster")]
)
def test_a_model_folder_is_enough(tmp_path: Path, images: Data, model: Estimator, task: str) -> None:
    features = pretrained("classify") if getattr(model, "features", "raw") == "network" else None
    network, card = fit(model, (images[0], replace(CARD, task=task)), features)
    save_model(tmp_path, network.state_dict(), card)
    loaded, read = load_model(tmp_path)
    assert read == card
    assert torch.equal(loaded(inputs_of(images)), network(inputs_of(images)))


def state(network: nn.Module) -> dict[str, Tensor]:
    return network.state_dict()


def same(one: nn.Module, other: nn.Module) -> bool:
    """To the bit."""
    mine, others = state(one), state(other)
    return mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.mark.parametrize("model", [LOGISTIC, FOREST, KMEANS])
def test_the_same_seed_gives_the_same_bits(images: Data, model: Estimator) -> None:
    (first, card), (second, same_card) = fit(model, images), fit(model, images)
    assert card == same_card
    assert same(first, second)
    if not isinstance(model, Logistic):  # which draws nothing at random
        assert not same(first, fit(model, images, seed=1)[0])


@pytest.mark.parametrize("model", [FOREST, KMEANS])
def test_the_number_of_threads_does_not_change_the_result(images: Data, model: Estimator) -> None:
    assert same(*(fit(model, images, threads=threads)[0] for threads in (1, 4)))


@pytest.mark.parametrize("model", [LOGISTIC, FOREST])
@pytest.mark.parametrize(("labels", "classes", "named"), [([0, 2], 3, "2 of 3 classes"), ([0, 0], 1, "1 of 1 classes")])
def test_an_absent_class_is_refused(
    tmp_path: Path, model: Estimator, labels: list[int], classes: int, named: str
) -> None:
    examples, card = plain_table(tmp_path, np.random.default_rng(0).random((20, 4)), np.array(labels * 10))
    with pytest.raises(UserError, match=rf"^model\.name={model.name}: .*{named}"):
        fit(model, (examples, replace(card, classes=["a", "b", "c"][:classes])))
    with pytest.raises(UserError, match=named):
        check_classes(model.name, np.array(labels), classes)


def test_fewer_examples_than_clusters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.clusters=10: .*9 training examples"):
        fit(KMEANS, plain_table(tmp_path, np.random.default_rng(0).random((9, 2)), np.zeros(9, int)))


@pytest.mark.parametrize(
    ("shape", "features", "named"),
    [
        ((8, 8, 1), None, "no pretrained network"),
        ((6, 6, 1), (nn.Identity(), CARD), r"\(6, 6, 1\).*\(8, 8, 1\)"),
    ],
)
def test_features_that_cannot_be_made_are_refused(
    shape: tuple[int, ...], features: tuple[nn.Module, ModelCard] | None, named: str
) -> None:
    with pytest.raises(UserError, match=rf"^model\.features=network: .*{named}.*raw"):
        required_features(shape, features)
    network = (nn.Identity(), CARD)
    assert required_features((8, 8, 1), network) is network


def test_a_network_without_features_is_refused(images: Data) -> None:
    with pytest.raises(UserError, match=r"^model: .*dense layer"):
        fit(
            ON_NETWORK, images, (nn.Conv2d(1, 1, 1), replace(CARD, architecture=pretrained("classify")[1].architecture))
        )


def test_a_fit_that_has_not_converged_is_kept_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], images: Data
) -> None:
    monkeypatch.setattr(scikit_learn, "STEPS", 3)
    network, _ = fit(LOGISTIC, images)
    printed = capsys.readouterr().err
    assert printed.startswith("logistic: not converged after 3 iterations")
    assert printed.count("\n") == 1
    assert (network(inputs_of(images)).argmax(dim=1).numpy() == images[0].targets).mean() > 0.5


def test_clusters_without_an_example_are_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(KMEANS, plain_table(tmp_path, np.ones((20, 2)), np.zeros(20, int)))
    assert "1 of 10 clusters" in capsys.readouterr().err


def test_other_warnings_are_not_silenced() -> None:
    with pytest.warns(UserWarning, match="mind this"), no_convergence_warning():
        warnings.warn("mind this", stacklevel=1)


def test_what_each_model_learns() -> None:
    assert [task_of(model) for model in (LOGISTIC, FOREST, KMEANS)] == [Classify, Classify, Cluster]
    assert ScikitLearn(kind="scikit_learn").kind == ScikitLearn.name


def test_scikit_learn_is_imported_where_it_is_used() -> None:
    code = "import sys, sprout.methods, sprout.tasks; print({'sklearn', 'torch'} & sys.modules.keys())"
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


EXPERIMENT = """\
# @package _global_
defaults:
  - override /model: {name}
  - override /train: scikit_learn
"""


def composed(name: str, *overrides: str) -> dict[str, Any]:
    Path("conf/experiment/mine.yaml").write_text(EXPERIMENT.format(name=name))
    config: dict[str, Any] = compose_config(Path("conf"), "mine", overrides).config
    return config


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["logistic", "forest", "kmeans"])
def test_each_is_a_choice_of_the_section_model(name: str) -> None:
    assert composed(name)["model"]["name"] == name


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("logistic", "c", 0.0),
        ("forest", "trees", 0),
        ("forest", "max_depth", 0),
        ("forest", "min_leaf", 0.5),
        ("kmeans", "clusters", 0),
        ("kmeans", "restarts", 0),
        ("kmeans", "features", "pixels"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name: str, key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf'^model\.{key}="?{value}"?: '):
        composed(name, f"model.{key}={value}")
