"""The narrower range that is suggested for images of more than 8 bits."""

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.importing.user_data import scan_examples
from sprout.data.importing.window import BINS, UNIT, WHOLE, Window, count_levels, suggest_window
from sprout.data.listing import Listing
from sprout.data.prepare.pixels import Array, Levels

RNG = np.random.default_rng(0)


def suggested(pixels: Array, levels: Levels | None = None) -> Window | None:
    """The suggestion for pixels that are scaled from their own range, or from a given one."""
    levels = levels or (float(pixels.min()), float(pixels.max()))
    return suggest_window(count_levels(pixels, levels), levels)


def test_a_small_lesion_beside_the_tissue_is_in_the_window() -> None:
    """A tenth of the pixels are bone, far from all others; a twentieth are a lesion, beyond an empty stretch."""
    pixels = np.r_[np.tile(np.arange(1030, 1060), 285), np.tile(np.arange(1090, 1120), 15), np.full(1000, 3500)]
    assert suggested(pixels.astype(np.uint16)) == Window(1030, 1119, pytest.approx(0.9), 60)


def test_hot_pixels_are_left_out() -> None:
    """They lie anywhere in the whole range of 16 bits, but are few."""
    of_12_bits = np.repeat(np.arange(4096), 25)
    hot = RNG.integers(0, 65536, 60)
    pixels = np.r_[of_12_bits, hot, 0, 65535].astype(np.uint16)
    window = suggest_window(count_levels(pixels, None), WHOLE)
    assert window is not None
    assert (window.low, window.used) == (0, 256)
    assert 4094 <= window.high < 4600
    assert window.share >= 0.999


@pytest.mark.parametrize(
    "pixels",
    [
        RNG.integers(0, 4096, 10_000).astype(np.uint16),
        np.repeat(np.array([0, 40_000], np.uint16), 100),
        np.array([7, 9], np.uint16),
        np.r_[np.repeat(np.arange(0.0, 1, 0.02), 100), 1.0],
    ],
    ids=["uniform", "two levels", "two pixels", "few levels, without outliers"],
)
def test_nothing_is_suggested_where_it_would_not_help(pixels: Array) -> None:
    assert suggested(pixels) is None


def test_floats_and_negative_numbers() -> None:
    hounsfield = np.r_[np.repeat(np.arange(-60.0, 141.0), 50), np.full(5, 30_000.0)]
    assert suggested(hounsfield) == Window(-60, 140, pytest.approx(0.9995, abs=1e-4), 201)
    fractions = np.r_[np.linspace(0.001, 0.01, 5000), 1.0]
    window = suggest_window(count_levels(fractions, None), UNIT)
    assert window is not None
    assert (window.low, window.high) == (pytest.approx(0.001, abs=2e-5), pytest.approx(0.01, abs=2e-5))
    assert window.used > 200


def test_memory_does_not_grow_with_the_range() -> None:
    far = np.r_[np.arange(1000.0), 1e9]
    counts = count_levels(far, (0, 1e9))
    assert (counts.shape, counts.sum(), counts[-1]) == ((BINS,), 1001, 1)


def test_only_images_that_are_learned_from_are_counted() -> None:
    images = np.full((4, 2, 2), 1000, np.uint16)
    images[:, 0, 0] = (1010, 1020, 60_000, 50_000)
    split = pa.array(["train", None, "test", "val"])
    scan = scan_examples(Listing(images, pa.array(["a"] * 4), split=split), 100)
    assert scan.levels == (1000, 1020)
    counted = {int(place): int(scan.counts[place]) for place in np.flatnonzero(scan.counts)}
    assert counted == {0: 6, BINS // 2: 1, BINS - 1: 1}
