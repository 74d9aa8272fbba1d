"""Mean and standard deviation in one pass, for any batches; what is noted of few labels."""

from typing import Any

import numpy as np
import pytest

from sprout.data.prepare.statistics import FeatureStatistics, PixelStatistics
from sprout.data.prepare.summary import few_label_notes

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("step", [1, 7, 100])
def test_pixel_statistics_equal_numpys_in_any_batches(step: int) -> None:
    images = GENERATOR.integers(0, 200, (50, 5, 4, 3), dtype=np.uint8)
    statistics = PixelStatistics(3)
    for start in range(0, 50, step):
        statistics.add(images[start : start + step])
    whole = PixelStatistics(3)
    whole.add(images)
    assert statistics.result() == whole.result()
    np.testing.assert_allclose(whole.result()["mean"], images.mean(axis=(0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(whole.result()["std"], images.std(axis=(0, 1, 2)) / 255, rtol=1e-12)


def test_a_constant_channel_has_a_std_of_1() -> None:
    images = np.full((3, 2, 2, 2), 51, np.uint8)
    images[..., 1] = np.arange(12).reshape(3, 2, 2)
    statistics = PixelStatistics(2)
    statistics.add(images)
    assert statistics.result()["mean"][0] == pytest.approx(0.2)
    assert statistics.result()["std"] == pytest.approx([1.0, np.std(np.arange(12)) / 255])


@pytest.mark.parametrize("step", [1, 7, 100])
def test_feature_statistics_equal_numpys(step: int) -> None:
    rows = (GENERATOR.normal(1e6, 3, (100, 4)) * [1, 1e-3, 1e3, 1]).astype(np.float32)
    rows[:, 3] = 5
    statistics = FeatureStatistics(4)
    for start in range(0, 100, step):
        statistics.add(rows[start : start + step])
    found, exact = statistics.result(), rows.astype(np.float64)
    np.testing.assert_allclose(found["mean"], exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["std"], [*exact.std(axis=0)[:3], 1.0], rtol=1e-9)
    assert found["min"] == exact.min(axis=0).tolist()
    assert found["max"] == exact.max(axis=0).tolist()


def counted(**per_class: int) -> dict[str, Any]:
    return {"labelled": sum(per_class.values()), "per_class": per_class}


def test_few_labels_but_enough_need_no_note() -> None:
    assert few_label_notes(500, counted(cat=20, dog=30), counted(cat=50, dog=50)) == []


def test_a_small_val_is_noted_with_the_interval_of_an_error() -> None:
    (note,) = few_label_notes(500, counted(cat=20, dog=30), counted(cat=4, dog=4))
    assert "val has only 8 labelled examples" in note
    assert "wrong on 2 of them has an error between 7% and 59%" in note
    assert "prepare.val" in note


def test_a_single_label_and_a_tiny_pool_are_noted() -> None:
    single, tiny = few_label_notes(5, counted(cat=1, dog=30, emu=0), counted(cat=100, dog=100))
    assert "a single labelled example of 'cat' in train" in single
    assert "5, fewer than the 31 labelled ones" in tiny
