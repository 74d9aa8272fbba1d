"""Figures of regressions against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from sprout.metrics import regression_metrics


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_figures(scale):
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


def test_worse_than_the_mean_is_below_zero():
    assert regression_metrics(np.array([3.0, 1.0]), np.array([1.0, 3.0]))["r2"] == -3.0


def test_values_that_are_all_the_same_have_no_share_to_explain():
    found = regression_metrics(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert found == {"rmse": 1.0, "mae": 1.0, "r2": None}


def test_no_example_has_no_figure():
    assert regression_metrics(np.zeros(0), np.zeros(0)) == {"rmse": None, "mae": None, "r2": None}
