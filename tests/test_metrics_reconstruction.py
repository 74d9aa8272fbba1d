"""Figures of restored images."""

import numpy as np
import pytest

from sprout.metrics import reconstruction_metrics


def test_figures():
    found = reconstruction_metrics(np.array([0.5, 0.25], np.float32), np.array([0.125, 0.0], np.float32))
    assert found == pytest.approx({"mse": 0.0625, "noisy_mse": 0.375, "noise_left": 1 / 6})


def test_without_noise_there_is_none_to_be_left():
    found = reconstruction_metrics(np.zeros(2), np.array([0.5, 1.0]))
    assert found == {"mse": 0.75, "noisy_mse": 0.0, "noise_left": None}


def test_no_image_has_no_figure():
    assert set(reconstruction_metrics(np.zeros(0), np.zeros(0)).values()) == {None}
