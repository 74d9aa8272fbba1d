"""The calibration curve and its error."""

import numpy as np
import pytest

from sprout.evaluate.calibration import calibration_curve, calibration_error

# Confidences 0.55, 0.65 and 0.7 (right, wrong, right), 0.95 and 1 (wrong, right), in two classes.
PROBABILITIES = np.array([[0.55, 0.45], [0.35, 0.65], [0.7, 0.3], [0.95, 0.05], [0.0, 1.0]])
LABELS = np.array([0, 0, 0, 1, 1])


def test_calibration_curve_by_hand():
    """Five ranges: 0.4 to 0.6, 0.6 to 0.8 and 0.8 to 1 have examples."""
    curve = calibration_curve(PROBABILITIES, LABELS, 5)
    assert [row["bin"] for row in curve] == [2, 3, 4]
    assert [row["count"] for row in curve] == [1, 2, 2]
    assert [row["confidence"] for row in curve] == pytest.approx([0.55, 0.675, 0.975])
    assert [row["accuracy"] for row in curve] == [1, 0.5, 0.5]


def test_calibration_error_by_hand():
    expected = (1 * 0.45 + 2 * 0.175 + 2 * 0.475) / 5
    assert calibration_error(PROBABILITIES, LABELS, 5) == pytest.approx(expected)
    # One range for all: mean confidence 0.77, three of five right.
    assert calibration_error(PROBABILITIES, LABELS, 1) == pytest.approx(0.17)


def test_a_perfect_model_has_no_error():
    assert calibration_error(np.eye(3)[[0, 2, 1]], np.array([0, 2, 1]), 15) == 0
