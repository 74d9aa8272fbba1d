"""What scikit-learn finds, as torch modules: the same answers, also after a round trip through a model folder."""

import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from sprout.config.compose import compose_config
from sprout.engine import estimators, one_go
from sprout.engine.estimators import fit_estimator, one_start, starts
from sprout.engine.one_go import in_one_go
from sprout.models import build
from sprout.models.card import ModelCard, load_model, save_model
from sprout.runtime.errors import UserError

CARD = ModelCard(
    task="classify",
    architecture={},
    classes=[str(digit) for digit in range(10)],
    input_shape=[8, 8, 1],
    mean=[0.0],
    std=[1.0],
    temperature=None,
    target=None,
    noise=None,
    parameters=0,
    role="teacher",
    kept=None,
)
FOREST = {"trees": 12, "max_depth": None, "min_leaf": 1}
KMEANS = {"clusters": 10, "restarts": 3, "features": "raw", "unit_length": False}
CNN = {
    "name": "cnn",
    "channels": (4, 8),
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 2,
    "pooling": "max",
    "batch_norm": True,
    "conv_dropout": 0.0,
    "hidden": (16,),
    "activation": "relu",
    "dropout": 0.5,
}
AUTOENCODER = {"name": "autoencoder", "channels": (4, 8), "kernel": 3, "code": 6, "activation": "relu"}


def digits():
    rows, labels = load_digits(return_X_y=True)
    return torch.tensor(rows / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), labels


def table(load):
    rows, labels = load(return_X_y=True)
    return torch.tensor((rows - rows.mean(axis=0)) / rows.std(axis=0), dtype=torch.float32), labels


DATA = {"images": digits, "rows": lambda: table(load_iris), "two classes": lambda: table(load_breast_cancer)}


@pytest.fixture(params=DATA)
def data(request):
    return DATA[request.param]()


def fit(inputs, labels, name, *, seed=0, threads=1, **options):
    outputs = 10 if labels is None else len(np.unique(labels))
    return fit_estimator(inputs, labels, name=name, outputs=outputs, seed=seed, threads=threads, **options)


def module(inputs, outputs, found):
    weights, architecture = found
    network = build(tuple(inputs.shape[1:]), outputs, **architecture)
    network.load_state_dict(weights)
    return network.eval()


def same_probabilities(found, model, inputs, labels):
    logits = module(inputs, len(np.unique(labels)), found)(inputs).detach()
    assert logits.dtype == torch.float32
    expected = model.predict_proba(inputs.flatten(1).numpy())
    assert np.abs(torch.softmax(logits, dim=1).numpy() - expected).max() < 1e-6
    assert (logits.argmax(dim=1).numpy() == model.predict(inputs.flatten(1).numpy())).all()


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_regression_answers_as_scikit_learn(data, c):
    inputs, labels = data
    model = LogisticRegression(C=c, max_iter=1000).fit(inputs.flatten(1).numpy(), labels)
    same_probabilities(fit(inputs, labels, "logistic", c=c), model, inputs, labels)


@pytest.mark.parametrize("options", [{}, {"max_depth": 3}, {"min_leaf": 7}, {"trees": 1}, {"max_depth": 1}])
def test_a_forest_answers_as_scikit_learn(data, options):
    inputs, labels = data
    options = FOREST | options
    model = RandomForestClassifier(
        options["trees"], max_depth=options["max_depth"], min_samples_leaf=options["min_leaf"], random_state=3
    )
    model.fit(inputs[::2].flatten(1).numpy(), labels[::2])
    found = fit(inputs[::2], labels[::2], "forest", seed=3, **options)
    same_probabilities(found, model, inputs, labels)


def test_a_forest_that_decides_nothing_knows_the_shares():
    labels = np.repeat([0, 1, 2], [10, 20, 30])
    found = fit(torch.ones(60, 4), labels, "forest", **FOREST | {"trees": 200})
    assert (found[1]["splits"], found[1]["depth"]) == (0, 0)
    shares = module(torch.ones(1, 4), 3, found)(torch.rand(5, 4)).exp()
    assert torch.allclose(shares, torch.tensor([1, 2, 3]) / 6, atol=0.03)


def test_a_value_on_a_threshold_goes_the_way_that_it_went():
    """The middle of neighbours in float32 is none itself, and rounding to the even one would let the larger pass."""
    low = np.nextafter(np.float32(1e6), np.float32(2e6))
    high = np.nextafter(low, np.float32(2e6))
    assert np.float32((float(low) + float(high)) / 2) == high
    rows = torch.tensor(np.array([[low], [high]] * 20))
    labels = np.array([0, 1] * 20)
    logits = module(rows, 2, fit(rows, labels, "forest", **FOREST))(rows)
    assert (logits.argmax(dim=1).numpy() == labels).all()


def test_log_probabilities_stay_finite():
    inputs, labels = digits()
    logits = module(inputs, 10, fit(inputs, labels, "forest", **FOREST | {"trees": 1}))(inputs)
    assert torch.isfinite(logits).all()
    assert logits.min() == pytest.approx(np.log(1e-9))


def test_kmeans_answers_as_scikit_learn(data):
    inputs, _ = data
    rows = inputs.flatten(1).numpy()
    model = KMeans(10, n_init=1, random_state=starts(5, 1)[0]).fit(rows)
    outputs = module(inputs, 3, fit(inputs, None, "kmeans", seed=5, **KMEANS | {"restarts": 1}))(inputs)
    assert (outputs.argmax(dim=1).numpy() == model.predict(rows)).all()
    assert -outputs.max(dim=1).values.sum().item() == pytest.approx(model.inertia_, rel=1e-5)
    assert np.allclose(-outputs.numpy(), model.transform(rows) ** 2, rtol=1e-3, atol=1e-4)


def test_the_tightest_of_several_starts_is_kept():
    inputs, _ = digits()
    outputs = module(inputs, 10, fit(inputs, None, "kmeans", **KMEANS | {"restarts": 8}))(inputs)
    runs = [one_start(inputs.flatten(1).numpy(), 10, seed).inertia_ for seed in starts(0, 8)]
    assert -outputs.max(dim=1).values.sum().item() == pytest.approx(min(runs), rel=1e-5)
    assert max(runs) > min(runs)


def test_with_unit_length_the_direction_alone_counts():
    inputs, _ = digits()
    network = module(inputs, 10, fit(inputs, None, "kmeans", **KMEANS | {"unit_length": True}))
    assert torch.allclose(network(inputs), network(7 * inputs), atol=1e-4)
    rows = inputs.flatten(1) / inputs.flatten(1).norm(dim=1, keepdim=True)
    runs = [one_start(rows.numpy(), 10, seed).inertia_ for seed in starts(0, 3)]
    assert -network(inputs).max(dim=1).values.sum().item() == pytest.approx(min(runs), rel=1e-4)


def purity(clusters, labels):
    return sum(np.bincount(labels[clusters == each]).max() for each in np.unique(clusters)) / len(labels)


def test_clusters_of_digits_are_mostly_of_one_digit():
    inputs, labels = digits()
    clusters = module(inputs, 10, fit(inputs, None, "kmeans", **KMEANS))(inputs).argmax(dim=1).numpy()
    assert purity(clusters, labels) > 0.75


def pretrained(architecture, task):
    torch.manual_seed(0)
    network = build((1, 8, 8), 10, **architecture)
    network(torch.rand(16, 1, 8, 8))  # batch norm's running figures are part of the state
    return network, replace(CARD, task=task, architecture=architecture)


def test_kmeans_on_what_a_classifier_sees():
    inputs, _ = digits()
    network, card = pretrained(CNN, "classify")
    before = network.training
    found = fit(inputs, None, "kmeans", **KMEANS | {"features": "network"}, pretrained=(network, card))
    network.eval()
    rows = network[:-1](inputs).detach().numpy()
    model = min((one_start(rows, 10, seed) for seed in starts(0, 3)), key=lambda run: run.inertia_)
    assert (module(inputs, 10, found)(inputs).argmax(dim=1).numpy() == model.predict(rows)).all()
    assert found[1]["dimensions"] == 16
    assert before
    assert network(inputs).shape == (len(inputs), 10)  # what was given is left whole


@pytest.mark.parametrize(("code", "dimensions"), [(6, 6), (None, 8 * 2 * 2)])
def test_kmeans_on_an_autoencoders_code(code, dimensions):
    inputs, _ = digits()
    network, card = pretrained(AUTOENCODER | {"code": code}, "reconstruct")
    found = fit(inputs, None, "kmeans", **KMEANS | {"features": "network"}, pretrained=(network, card))
    rows = network.encoder(inputs).flatten(1).detach().numpy()
    model = min((one_start(rows, 10, seed) for seed in starts(0, 3)), key=lambda run: run.inertia_)
    assert rows.shape[1] == found[1]["dimensions"] == dimensions
    assert (module(inputs, 10, found)(inputs).argmax(dim=1).numpy() == model.predict(rows)).all()


@pytest.mark.parametrize(
    ("name", "task", "options"),
    [
        ("logistic", "classify", {"c": 1.0}),
        ("forest", "classify", FOREST),
        ("kmeans", "cluster", KMEANS),
        ("kmeans", "cluster", KMEANS | {"features": "network"}),
        ("kmeans", "cluster", KMEANS | {"features": "network", "unit_length": True}),
    ],
)
def test_a_model_folder_is_enough(tmp_path, name, task, options):
    inputs, labels = digits()
    given = {"pretrained": pretrained(CNN, "classify")} if options.get("features") == "network" else {}
    weights, architecture = fit(inputs, None if name == "kmeans" else labels, name, **options, **given)
    save_model(tmp_path, weights, replace(CARD, task=task, architecture=architecture))
    loaded, card = load_model(tmp_path)
    assert card.architecture["name"] == name
    assert torch.equal(loaded(inputs), module(inputs, 10, (weights, architecture))(inputs))


@pytest.mark.parametrize(("name", "options"), [("logistic", {"c": 1.0}), ("forest", FOREST), ("kmeans", KMEANS)])
def test_the_same_seed_gives_the_same_bits(name, options):
    inputs, labels = digits()
    runs = [fit(inputs, labels, name, **options) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
    assert all(torch.equal(tensor, runs[1][0][key]) for key, tensor in runs[0][0].items())
    other = fit(inputs, labels, name, seed=1, **options)
    if name != "logistic":  # which draws nothing
        assert any(not torch.equal(tensor, other[0].get(key)) for key, tensor in runs[0][0].items())


@pytest.mark.parametrize(("name", "options"), [("forest", FOREST), ("kmeans", KMEANS)])
def test_threads_do_not_show_in_the_result(name, options):
    inputs, labels = digits()
    one, four = (fit(inputs, labels, name, threads=threads, **options)[0] for threads in (1, 4))
    assert all(torch.equal(tensor, four[key]) for key, tensor in one.items())


@pytest.mark.parametrize(("name", "options"), [("logistic", {"c": 1.0}), ("forest", FOREST)])
@pytest.mark.parametrize(("labels", "outputs", "says"), [([0, 2], 3, "2 of 3 classes"), ([0, 0], 1, "1 of 1 classes")])
def test_an_absent_class_is_refused(name, options, labels, outputs, says):
    with pytest.raises(UserError, match=rf"^model\.name={name}: .*{says}"):
        fit_estimator(
            torch.rand(20, 4), np.array(labels * 10), name=name, outputs=outputs, seed=0, threads=1, **options
        )


@pytest.mark.parametrize(
    ("inputs", "options", "says"),
    [
        (torch.rand(9, 1, 8, 8), {}, "model.clusters=10: there are 9 examples"),
        (torch.rand(20, 1, 8, 8), {"features": "network"}, "model.features=network: there is no pretrained network"),
        (
            torch.rand(20, 1, 6, 6),
            {"features": "network", "pretrained": pretrained(CNN, "classify")},
            r"model.features=network: the examples are \(1, 6, 6\), and the pretrained network takes \(1, 8, 8\)",
        ),
        (
            torch.rand(20, 1, 8, 8),
            {"features": "network", "pretrained": (torch.nn.Conv2d(1, 1, 1), CARD)},
            "model: the network has neither an encoder nor a dense layer",
        ),
    ],
)
def test_what_kmeans_cannot_take_is_refused(inputs, options, says):
    with pytest.raises(UserError, match=f"^{says}"):
        fit(inputs, None, "kmeans", **KMEANS | options)


def test_a_training_that_ends_early_is_said_and_kept(monkeypatch, capsys):
    monkeypatch.setattr(estimators, "STEPS", 3)
    inputs, labels = digits()
    found = fit(inputs, labels, "logistic", c=1.0)
    said = capsys.readouterr().err
    assert said.startswith("logistic: not at its best after 3 steps")
    assert said.count("\n") == 1
    assert (module(inputs, 10, found)(inputs).argmax(dim=1).numpy() == labels).mean() > 0.5


def test_equal_examples_leave_clusters_empty_and_that_is_said(capsys):
    fit(torch.ones(20, 2), None, "kmeans", **KMEANS)
    assert "kmeans: 1 of 10 clusters have examples" in capsys.readouterr().err


def test_a_long_computation_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(one_go, "SECONDS", 0.05)
    with in_one_go("forest on 10 examples", 1):
        time.sleep(0.3)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "forest on 10 examples: computing, without a sign until it is done",
        "forest on 10 examples: done in 0 s",
    ]
    monkeypatch.setattr(one_go, "SECONDS", 5.0)
    with in_one_go("a short one", 1):
        pass
    assert capsys.readouterr().err == ""


def test_other_warnings_are_not_swallowed():
    with pytest.warns(UserWarning, match="mind this"), in_one_go("a call", 1):
        warnings.warn("mind this", stacklevel=1)


def test_scikit_learn_is_imported_when_it_is_used():
    code = "import sys, sprout.engine.estimators; print([name for name in sys.modules if name.startswith('sklearn')])"
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


EXPERIMENT = """\
# @package _global_
defaults:
  - override /model: {name}
  - override /train: scikit_learn
  - override /retrain: scikit_learn
"""


def composed(name, *overrides):
    Path("conf/experiment/mine.yaml").write_text(EXPERIMENT.format(name=name))
    return compose_config(Path("conf"), "mine", overrides).config


@pytest.mark.parametrize("name", ["logistic", "forest", "kmeans"])
def test_each_is_a_choice_of_the_section_model(project, name):
    assert composed(name)["model"]["name"] == name


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
def test_a_setting_out_of_its_range_is_refused(project, name, key, value):
    with pytest.raises(UserError, match=rf'^model\.{key}="?{value}"?: '):
        composed(name, f"model.{key}={value}")
