"""What a training learns, against the formulas written out."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, logsumexp
from torch import Tensor

from sprout.augment.draws import draws
from sprout.augment.noise import noisy
from sprout.engine.tasks import Classify, Cluster, Reconstruct, Regress, class_weights, make_task

N, K = 7, 3
GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(0, 2, (N, K))
LABELS = np.array([0, 2, 1, 2, 2, 0, 2])
NOTHING = torch.zeros(N)


def losses(task: Any, outputs: Any, targets: Any, scaled: Tensor = NOTHING, training: bool = True) -> Any:
    return task.losses(torch.as_tensor(outputs), torch.as_tensor(targets), scaled, training=training).numpy()


def spread(smoothing: float) -> Any:
    """The targets with their share spread over all classes: (N, K)."""
    return np.eye(K)[LABELS] * (1 - smoothing) + smoothing / K


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy(smoothing: float) -> None:
    expected = -(spread(smoothing) * log_softmax(LOGITS, axis=1)).sum(axis=1)
    np.testing.assert_allclose(losses(Classify("cross_entropy", smoothing, None), LOGITS, LABELS), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_class_against_all_others(smoothing: float) -> None:
    target = spread(smoothing)
    expected = -(target * np.log(expit(LOGITS)) + (1 - target) * np.log(expit(-LOGITS))).sum(axis=1)
    np.testing.assert_allclose(losses(Classify("binary", smoothing, None), LOGITS, LABELS), expected)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
def test_a_class_counts_by_its_weight(loss: str) -> None:
    weights = class_weights(LABELS, K)
    np.testing.assert_allclose(weights, [7 / (3 * 2), 7 / (3 * 1), 7 / (3 * 4)], rtol=1e-6)
    assert weights[LABELS].mean().item() == pytest.approx(1)
    plain, weighted = (losses(Classify(loss, 0.1, given), LOGITS, LABELS) for given in (None, weights))
    np.testing.assert_allclose(weighted, plain * weights.numpy()[LABELS], rtol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
def test_smoothing_and_weights_are_for_learning_alone(loss: str) -> None:
    plain, other = Classify(loss, 0.0, None), Classify(loss, 0.3, class_weights(LABELS, K))
    expected = losses(plain, LOGITS, LABELS, training=False)
    np.testing.assert_array_equal(losses(other, LOGITS, LABELS, training=False), expected)
    assert not np.allclose(losses(other, LOGITS, LABELS), expected)


def test_a_class_without_an_example_has_a_weight_all_the_same() -> None:
    assert torch.isfinite(class_weights(np.array([0, 0, 2]), 4)).all()


def test_accuracy() -> None:
    found = Classify("cross_entropy", 0.0, None).figures(torch.as_tensor(LOGITS), torch.as_tensor(LABELS))
    np.testing.assert_array_equal(found.numpy(), LOGITS.argmax(axis=1) == LABELS)


def distance(loss: str, apart: Any) -> Any:
    size = np.abs(apart)
    return {"mse": size**2, "mae": size, "huber": np.where(size < 1, size**2 / 2, size - 0.5)}[loss]


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_a_number(loss: str) -> None:
    outputs, targets = GENERATOR.normal(0, 2, (N, 1)), GENERATOR.normal(0, 2, N)
    task = Regress(loss, 5.0)
    np.testing.assert_allclose(losses(task, outputs, targets), distance(loss, outputs[:, 0] - targets))
    figures = task.figures(torch.as_tensor(outputs), torch.as_tensor(targets))
    np.testing.assert_allclose(figures.numpy(), np.abs(outputs[:, 0] - targets) * 5)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_an_image(loss: str) -> None:
    outputs, images = GENERATOR.random((2, N, 3, 4, 5))
    found = losses(Reconstruct(loss, 0.5), outputs, NOTHING, torch.as_tensor(images))
    np.testing.assert_allclose(found, distance(loss, outputs - images).mean(axis=(1, 2, 3)))
    assert Reconstruct(loss, 0.5).figures(torch.as_tensor(outputs), NOTHING).tolist() == [0] * N


def test_what_is_shown() -> None:
    images, ids = torch.rand(N, 1, 4, 4), torch.arange(N)
    for task in (Classify("binary", 0.0, None), Regress("mse", 1.0), Reconstruct("mse", 0.0), Cluster(0.5)):
        assert task.shown(images, draws(0, 0, ids)) is images
    shown = Reconstruct("mse", 0.3).shown(images, draws(0, 4, ids))
    assert torch.equal(shown, noisy(images, draws(0, 4, ids), 0.3))


def test_views_of_one_example_among_all() -> None:
    """Of each view: the cross-entropy of its other view among all others, by cosine over the temperature."""
    outputs = GENERATOR.normal(0, 1, (2 * N, 4))
    directions = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    alike = directions @ directions.T / 0.5
    each = [logsumexp(np.delete(alike[view], view)) - alike[view, (view + N) % (2 * N)] for view in range(2 * N)]
    expected = (np.array(each[:N]) + np.array(each[N:])) / 2
    np.testing.assert_allclose(losses(Cluster(0.5), outputs, NOTHING), expected)


SETTINGS: list[tuple[dict[str, Any], Any]] = [
    (
        {"kind": "classify", "loss": "binary", "label_smoothing": 0.1, "class_weights": "none"},
        Classify("binary", 0.1, None),
    ),
    ({"kind": "regress", "loss": "huber"}, Regress("huber", 2.5)),
    ({"kind": "reconstruct", "loss": "mae", "noise": 0.25}, Reconstruct("mae", 0.25)),
]


@pytest.mark.parametrize(("settings", "expected"), SETTINGS)
def test_by_the_settings(settings: dict[str, Any], expected: Any) -> None:
    assert make_task(settings, LABELS, K, 2.5) == expected


def test_balanced_weights_are_of_the_training_examples() -> None:
    settings = {"kind": "classify", "loss": "cross_entropy", "label_smoothing": 0.0, "class_weights": "balanced"}
    task = make_task(settings, LABELS, K, 1.0)
    assert isinstance(task, Classify)
    assert task.weights is not None
    assert torch.equal(task.weights, class_weights(LABELS, K))
    assert math.isclose(float(task.weights[1]), 7 / 3, rel_tol=1e-6)
