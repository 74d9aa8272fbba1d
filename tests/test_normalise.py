"""From stored pixels to the network's input."""

import numpy as np
import torch

from sprout.models.normalise import Normalise

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 2), dtype=np.uint8)
MEAN, STD = [0.25, 0.5], [0.5, 2.0]


def test_scaled_to_one_and_channels_first():
    scaled = Normalise(MEAN, STD).scale(torch.from_numpy(IMAGES))
    assert (scaled.shape, scaled.dtype) == ((5, 2, 4, 3), torch.float32)
    np.testing.assert_allclose(scaled.numpy(), IMAGES.transpose(0, 3, 1, 2) / 255, rtol=1e-6)
    assert scaled.is_contiguous(memory_format=torch.channels_last)


def test_each_channel_by_its_own_figures():
    normalise = Normalise(MEAN, STD)
    found = normalise(normalise.scale(torch.from_numpy(IMAGES))).numpy()
    expected = (IMAGES / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_the_training_splits_own_figures_give_mean_0_and_spread_1():
    from sprout.prepare import normalisation

    normalise = Normalise(*normalisation(IMAGES))
    found = normalise(normalise.scale(torch.from_numpy(IMAGES)))
    torch.testing.assert_close(found.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-6, rtol=0)


def test_the_number_format_follows_the_modules():
    normalise = Normalise(MEAN, STD).double()
    assert normalise(normalise.scale(torch.from_numpy(IMAGES))).dtype == torch.float64


def test_the_figures_are_no_weights():
    assert Normalise(MEAN, STD).state_dict() == {}
    assert list(Normalise(MEAN, STD).parameters()) == []
