"""Random numbers that depend on nothing but (seed, epoch, example)."""

import math

import pytest
import torch

from sprout.augment.draws import draws, mix, normal, signed


def test_noise_is_finite_at_the_ends_of_the_draws():
    most = 1 - 2.0**-24
    for u in (0.0, most):
        assert normal(lambda k, u=u: torch.full((1, k), u), torch.Size([1, 1, 2, 2])).isfinite().all()


def test_the_same_place_draws_the_same_and_any_other_draws_anew():
    ids = torch.arange(100)
    same = draws(3, 4, ids)(5)
    assert torch.equal(draws(3, 4, ids)(5), same)
    for other in (draws(4, 4, ids), draws(3, 5, ids), draws(3, 4, ids + 100), draws(4, 3, ids)):
        assert (other(5) == same).sum() <= 1


def test_every_call_draws_anew():
    draw = draws(0, 0, torch.arange(100))
    first, second = draw(3), draw(3)
    assert (first == second).sum() == 0
    assert torch.equal(torch.cat([first, second], dim=1), draws(0, 0, torch.arange(100))(6))


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
@pytest.mark.parametrize("along", ["examples", "numbers", "epochs", "seeds"])
def test_draws_are_uniform(along, seed):
    """Chi-square over 100 equal ranges, and no correlation with the neighbour."""
    n = 20_000
    one = torch.arange(1)
    drawn = {
        "examples": lambda: draws(seed, 0, torch.arange(n))(1),
        "numbers": lambda: draws(seed, 0, one)(n),
        "epochs": lambda: torch.stack([draws(seed, epoch, one + 5)(1) for epoch in range(n // 10)]),
        "seeds": lambda: torch.stack([draws(seed + step, 1, one)(1) for step in range(n // 10)]),
    }[along]()
    u = drawn.flatten().double()
    assert u.min() >= 0
    assert u.max() < 1
    counts = torch.histc(u, 100, 0, 1)
    expected = len(u) / 100
    chi_square = ((counts - expected) ** 2 / expected).sum().item()
    # 99 degrees of freedom: mean 99, spread 14; five spreads either way.
    assert 29 < chi_square < 169
    correlation = torch.corrcoef(torch.stack([u[:-1], u[1:]]))[0, 1].abs()
    assert correlation < 5 / math.sqrt(len(u))


def test_the_hash_is_splitmix64():
    """Against the published generator, in whole numbers of any length."""

    def reference(state: int) -> int:
        mask = (1 << 64) - 1
        z = (state + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    states = [0, 1, 1234567, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    found = mix(torch.tensor([signed(state) for state in states])).tolist()
    assert [value % (1 << 64) for value in found] == [reference(state) for state in states]
    assert reference(1234567) == 6457827717110365317  # the first number of the published test vector
