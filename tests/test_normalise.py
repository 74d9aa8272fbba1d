"""From stored examples to the network's input."""

import numpy as np
import pytest
import torch

from sprout.models.normalise import Normalise, network_shape

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 2), dtype=np.uint8)
MEAN, STD = [0.25, 0.5], [0.5, 2.0]


def test_scaled_to_one_and_channels_first():
    scaled = Normalise(MEAN, STD).scale(torch.from_numpy(IMAGES))
    assert (scaled.shape, scaled.dtype) == ((5, 2, 4, 3), torch.float32)
    np.testing.assert_allclose(scaled.numpy(), IMAGES.transpose(0, 3, 1, 2) / 255, rtol=1e-6)
    assert scaled.is_contiguous(memory_format=torch.channels_last)


def test_each_channel_by_its_own_statistics():
    normalise = Normalise(MEAN, STD)
    found = normalise(normalise.scale(torch.from_numpy(IMAGES))).numpy()
    expected = (IMAGES / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_the_training_splits_own_statistics_give_mean_0_and_std_1():
    pixels = IMAGES.reshape(-1, 2) / 255
    normalise = Normalise(pixels.mean(axis=0).tolist(), pixels.std(axis=0).tolist())
    found = normalise(normalise.scale(torch.from_numpy(IMAGES)))
    torch.testing.assert_close(found.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-6, rtol=0)


def test_the_number_format_follows_the_modules():
    normalise = Normalise(MEAN, STD).double()
    assert normalise(normalise.scale(torch.from_numpy(IMAGES))).dtype == torch.float64


def test_the_statistics_are_no_weights():
    assert Normalise(MEAN, STD).state_dict() == {}
    assert list(Normalise(MEAN, STD).parameters()) == []


def test_rows_of_a_table_by_each_features_own_statistics():
    rows = torch.tensor([[0.5, 10.0, -3.0], [1.5, 30.0, -3.0]])
    normalise = Normalise([1.0, 20.0, -3.0], [0.5, 10.0, 1.0])
    assert torch.equal(normalise.scale(rows), rows)
    assert normalise(normalise.scale(rows)).tolist() == [[-1, -1, 0], [1, 1, 0]]


@pytest.mark.parametrize("stored", [torch.full((1, 2), 0.2), torch.full((1, 1, 1, 2), 51, dtype=torch.uint8)])
def test_whole_figures_do_not_make_whole_numbers(stored):
    normalise = Normalise([0, 0], [1, 2])
    found = normalise(normalise.scale(stored))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.2, 0.1]))


def test_the_shape_that_a_network_meets():
    assert network_shape([8, 6, 3]) == (3, 8, 6)
    assert network_shape([5]) == (5,)
