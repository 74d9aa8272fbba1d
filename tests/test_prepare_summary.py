"""Mean and standard deviation in one pass, for any batches."""

import numpy as np
import pytest

from sprout.data.prepare.summary import FeatureStatistics, PixelStatistics

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
