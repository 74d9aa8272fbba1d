"""The noise that a network learns to remove."""

import torch

from sprout.augment.draws import draws
from sprout.augment.noise import OUTSIDE, noisy


def ids(n: int) -> torch.Tensor:
    return torch.arange(n)


def test_it_has_the_spread_that_was_asked_for() -> None:
    grey = torch.full((200, 1, 16, 16), 0.5)
    found = noisy(grey, draws(0, 0, ids(200)), 0.1)
    assert found.shape == grey.shape
    assert abs(found.mean().item() - 0.5) < 0.002
    assert abs(found.std().item() - 0.1) < 0.002


def test_pixels_stay_in_0_to_1() -> None:
    found = noisy(torch.rand(50, 3, 8, 8), draws(0, 0, ids(50)), 2.0)
    assert (found.min().item(), found.max().item()) == (0.0, 1.0)


def test_no_noise_changes_nothing() -> None:
    images = torch.rand(5, 1, 4, 4)
    assert torch.equal(noisy(images, draws(0, 0, ids(5)), 0.0), images)


def test_it_belongs_to_the_example_and_not_to_its_batch() -> None:
    images = torch.rand(6, 1, 4, 4)
    whole = noisy(images, draws(0, OUTSIDE, ids(6)), 0.3)
    for rows in ([4, 1], [5], [0, 2, 3]):
        picked = torch.tensor(rows)
        assert torch.equal(noisy(images[picked], draws(0, OUTSIDE, picked), 0.3), whole[picked])


def test_each_epoch_and_each_example_has_its_own() -> None:
    grey = torch.full((2, 1, 8, 8), 0.5)
    outside, first, second = (noisy(grey, draws(0, epoch, ids(2)), 0.1) for epoch in (OUTSIDE, 0, 1))
    assert not torch.equal(outside, first)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_it_keeps_the_number_format() -> None:
    images = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    assert noisy(images, draws(0, 0, ids(2)), 0.3).dtype == torch.float64
