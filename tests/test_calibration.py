"""The calibration curve and its error, and the temperature that calibrates a network."""

import math
from typing import Any

import numpy as np
import pytest

from sprout.evaluate.calibration import PRIOR_SPREAD, calibration_curve, calibration_error, fit_temperature, log_loss
from sprout.tasks.class_outcomes import softmax

# Confidences 0.55, 0.65 and 0.7 (right, wrong, right), 0.95 and 1 (wrong, right), in two classes.
PROBABILITIES = np.array([[0.55, 0.45], [0.35, 0.65], [0.7, 0.3], [0.95, 0.05], [0.0, 1.0]])
LABELS = np.array([0, 0, 0, 1, 1])


def judged(probabilities: Any, labels: Any) -> tuple[Any, Any]:
    """The confidences, and whether the predictions are right."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def test_calibration_curve_by_hand() -> None:
    """Five ranges: 0.4 to 0.6, 0.6 to 0.8 and 0.8 to 1 have examples."""
    curve = calibration_curve(*judged(PROBABILITIES, LABELS), 5)
    assert [row["bin"] for row in curve] == [2, 3, 4]
    assert [row["count"] for row in curve] == [1, 2, 2]
    assert [row["confidence"] for row in curve] == pytest.approx([0.55, 0.675, 0.975])
    assert [row["accuracy"] for row in curve] == [1, 0.5, 0.5]


def test_calibration_error_by_hand() -> None:
    expected = (1 * 0.45 + 2 * 0.175 + 2 * 0.475) / 5
    assert calibration_error(*judged(PROBABILITIES, LABELS), 5) == pytest.approx(expected)
    # One range for all: mean confidence 0.77, three of five right.
    assert calibration_error(*judged(PROBABILITIES, LABELS), 1) == pytest.approx(0.17)


def test_a_perfect_model_has_no_error() -> None:
    assert calibration_error(*judged(np.eye(3)[[0, 2, 1]], np.array([0, 2, 1])), 15) == 0


# The temperature.


def simulated(temperature: float, n: int = 20_000, seed: int = 0) -> tuple[Any, Any]:
    """Logits whose labels are drawn as the logits say after division by this temperature."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (n, 5)) * temperature
    # Gumbel's trick draws from the softmax.
    labels = (logits / temperature + generator.gumbel(size=logits.shape)).argmax(axis=1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_is_more_probable() -> None:
    logits, labels = simulated(3.0, 500)
    found = fit_temperature(logits, labels)

    def unlikely(temperature: float) -> float:
        """Of the labels, and of the temperature by its prior."""
        return 500 * log_loss(logits, labels, temperature) + (math.log(temperature) / PRIOR_SPREAD) ** 2 / 2

    assert all(unlikely(found) <= unlikely(found * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2))


def test_calibrating_lowers_the_error() -> None:
    logits, labels = simulated(3.0)
    before, after = (
        calibration_error(*judged(softmax(logits, t), labels), 15) for t in (1.0, fit_temperature(logits, labels))
    )
    assert before > 0.15
    assert after < 0.02


@pytest.mark.parametrize(("scale", "turned"), [(0.01, 0), (100.0, 0), (1.0, 1)])
def test_a_handful_of_examples_moves_the_temperature_little(scale: float, turned: int) -> None:
    """All right or all wrong, underconfident or overconfident: without the prior the best would be at a bound."""
    logits = scale * np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    assert 0.3 < fit_temperature(logits, (np.array([0, 1, 2, 0]) + turned) % 3) < 9


def test_a_few_examples_without_a_mistake_leave_room_for_one() -> None:
    logits = 4 * np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    found = fit_temperature(logits, np.array([0, 1, 2, 0]))
    assert 0.5 < found < 1
    assert softmax(logits, found).max() < 0.999


@pytest.mark.parametrize("seed", range(5))
def test_the_temperature_of_64_examples_is_near_that_of_many(seed: int) -> None:
    many = fit_temperature(*simulated(1.5, 5000, seed=seed))
    assert fit_temperature(*simulated(1.5, 64, seed=seed)) == pytest.approx(many, rel=0.5)


def test_log_loss_by_hand() -> None:
    logits = np.log(np.array([[1, 3], [1, 1], [4, 1]], np.float64))
    expected = -(math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 5)) / 3
    assert log_loss(logits, np.array([1, 0, 1]), 1.0) == pytest.approx(expected)
    roots = -(math.log(3**0.5 / (1 + 3**0.5)) + math.log(1 / 2) + math.log(1 / 3)) / 3
    assert log_loss(logits, np.array([1, 0, 1]), 2.0) == pytest.approx(roots)


def test_log_loss_of_large_logits_is_finite() -> None:
    assert log_loss(np.array([[1e4, 0.0]], np.float32), np.array([1]), 0.05) == pytest.approx(2e5)
