"""Figures of classifiers against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_recall_fscore_support

from sprout.evaluate.calibration import calibration_error
from sprout.metrics import PER_CLASS, classification_metrics, per_class


def case(seed: int, classes: int, n: int, absent: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels; the `absent` class has no example and is never guessed."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), n)
    labels = generator.integers(0, classes, n)
    if absent is not None:
        probabilities[:, absent] = 0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        labels[labels == absent] = (absent + 1) % classes
    return probabilities, labels


CASES = [(0, 4, 200, None), (1, 10, 500, None), (2, 5, 100, 2), (3, 2, 1, None)]


@pytest.mark.parametrize("which", CASES, ids=str)
def test_per_class(which):
    probabilities, labels = case(*which)
    names = [f"class {index}" for index in range(which[1])]
    rows = per_class(probabilities, labels, names)
    expected = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(which[1]), zero_division=0
    )
    assert [row["class"] for row in rows] == names
    for key, reference in zip(PER_CLASS[1:], expected, strict=True):
        np.testing.assert_allclose([row[key] for row in rows], reference, rtol=1e-12)


@pytest.mark.parametrize("which", CASES, ids=str)
def test_classification_metrics(which):
    probabilities, labels = case(*which)
    found = classification_metrics(probabilities, labels, 10)
    guesses, classes = probabilities.argmax(axis=1), range(which[1])
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(labels, guesses),
            "error_rate": 1 - accuracy_score(labels, guesses),
            "log_loss": log_loss(labels, probabilities, labels=classes),
            "calibration_error": calibration_error(probabilities, labels, 10),
            "macro_f1": f1_score(labels, guesses, labels=classes, average="macro", zero_division=0),
        }
    )


def test_log_loss_of_an_impossible_guess_is_finite():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    found = classification_metrics(probabilities, np.array([1, 1]), 10)["log_loss"]
    assert found == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)
