"""The calibration curve and its error, and the temperature that calibrates a network."""

import math
from typing import Any

import numpy as np
import pytest

from sprout.evaluate.calibration import calibration_curve, calibration_error, fit_temperature, log_loss
from sprout.tasks.classify import softmax

# Confidences 0.55, 0.65 and 0.7 (right, wrong, right), 0.95 and 1 (wrong, right), in two classes.
PROBABILITIES = np.array([[0.55, 0.45], [0.35, 0.65], [0.7, 0.3], [0.95, 0.05], [0.0, 1.0]])
LABELS = np.array([0, 0, 0, 1, 1])


def test_calibration_curve_by_hand() -> None:
    """Five ranges: 0.4 to 0.6, 0.6 to 0.8 and 0.8 to 1 have examples."""
    curve = calibration_curve(PROBABILITIES, LABELS, 5)
    assert [row["bin"] for row in curve] == [2, 3, 4]
    assert [row["count"] for row in curve] == [1, 2, 2]
    assert [row["confidence"] for row in curve] == pytest.approx([0.55, 0.675, 0.975])
    assert [row["accuracy"] for row in curve] == [1, 0.5, 0.5]


def test_calibration_error_by_hand() -> None:
    expected = (1 * 0.45 + 2 * 0.175 + 2 * 0.475) / 5
    assert calibration_error(PROBABILITIES, LABELS, 5) == pytest.approx(expected)
    # One range for all: mean confidence 0.77, three of five right.
    assert calibration_error(PROBABILITIES, LABELS, 1) == pytest.approx(0.17)


def test_a_perfect_model_has_no_error() -> None:
    assert calibration_error(np.eye(3)[[0, 2, 1]], np.array([0, 2, 1]), 15) == 0


# The temperature.


def simulated(temperature: float, n: int = 20_000) -> tuple[Any, Any]:
    """Logits whose labels are drawn as the logits say after division by this temperature."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (n, 5)) * temperature
    # Gumbel's trick draws from the softmax.
    labels = (logits / temperature + generator.gumbel(size=logits.shape)).argmax(axis=1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_lower_loss() -> None:
    logits, labels = simulated(3.0, 500)
    found = fit_temperature(logits, labels)
    best = log_loss(logits, labels, found, 1 / 501)
    assert all(best <= log_loss(logits, labels, found * factor, 1 / 501) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2))


def test_calibrating_lowers_the_error() -> None:
    logits, labels = simulated(3.0)
    before, after = (calibration_error(softmax(logits, t), labels, 15) for t in (1.0, fit_temperature(logits, labels)))
    assert before > 0.15
    assert after < 0.02


def test_temperatures_stay_within_bounds() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    assert fit_temperature(logits / 100, np.array([0, 1, 2, 0])) == pytest.approx(0.05, abs=0.001)
    assert fit_temperature(logits, np.array([1, 2, 0, 1])) == pytest.approx(20, abs=0.01)


def test_a_few_examples_without_a_mistake_leave_room_for_one() -> None:
    """Four labels of three classes, of each a fifth spread: the class itself keeps 4/5 + 1/15."""
    logits, labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 1, 2, 0])
    found = softmax(logits, fit_temperature(logits, labels))
    assert found.max(axis=1) == pytest.approx(4 / 5 + 1 / 15, abs=1e-3)


def test_log_loss_by_hand() -> None:
    logits = np.log(np.array([[1, 3], [1, 1], [4, 1]], np.float64))
    expected = -(math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 5)) / 3
    assert log_loss(logits, np.array([1, 0, 1]), 1.0) == pytest.approx(expected)
    even = -(math.log(1 / 4) + 2 * math.log(1 / 2) + math.log(3 / 4) + math.log(4 / 5) + math.log(1 / 5)) / 6
    assert log_loss(logits, np.array([1, 0, 1]), 1.0, 0.3) == pytest.approx(0.7 * expected + 0.3 * even)
    roots = -(math.log(3**0.5 / (1 + 3**0.5)) + math.log(1 / 2) + math.log(1 / 3)) / 3
    assert log_loss(logits, np.array([1, 0, 1]), 2.0) == pytest.approx(roots)


def test_log_loss_of_large_logits_is_finite() -> None:
    assert log_loss(np.array([[1e4, 0.0]], np.float32), np.array([1]), 0.05) == pytest.approx(2e5)
