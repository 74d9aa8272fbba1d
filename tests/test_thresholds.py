"""Thresholds of consistency training, against the formulas of their papers."""

import math

import pytest
import torch
from torch import Tensor

from sprout.methods.thresholds import Fixed, FlexMatch, FreeMatch, SoftMatch, Threshold

PROBABILITIES = torch.tensor([[0.96, 0.02, 0.02], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4], [0.0, 0.95, 0.05]])
IDS = torch.tensor([3, 0, 2, 5])
CONFIDENCE = PROBABILITIES.amax(1)


def test_fixed() -> None:
    assert Fixed(0.95).weights(PROBABILITIES, IDS).tolist() == [1, 0, 0, 1]
    assert Fixed(0.7).weights(PROBABILITIES, IDS).tolist() == [1, 1, 0, 1]


def test_flexmatch_lowers_the_threshold_of_classes_that_few_examples_have_reached() -> None:
    threshold = FlexMatch(0.9, classes=3, pool=6)
    # At first all six examples are unused and no class is learned: every threshold is 0.
    assert threshold.weights(PROBABILITIES, IDS).tolist() == [1, 1, 1, 1]
    assert threshold.latest.tolist() == [0, 0, 0, 1, 0, 2]
    assert threshold.counts.tolist() == [4, 1, 1, 0]
    # Now classes 0 and 1 are learned by 1/4: 0.9 · 0.25 / 1.75; class 2 by none.
    limit = 0.9 * 0.25 / 1.75
    low = torch.tensor([[limit + 0.01, 0.0, 0.0], [0.0, limit - 0.01, 0.0], [0.0, 0.0, 0.001]])
    assert threshold.weights(low, torch.tensor([0, 1, 2])).tolist() == [1, 0, 1]
    assert threshold.counts.tolist() == [4, 1, 1, 0], "what has not reached 0.9 keeps what it was"
    # An example that reaches it for another class moves there.
    threshold.weights(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([3]))
    assert threshold.latest.tolist() == [0, 0, 0, 3, 0, 2]
    assert threshold.counts.tolist() == [4, 0, 1, 1]


def test_freematch_follows_the_running_means() -> None:
    threshold = FreeMatch(0.9, classes=3)
    found = threshold.weights(PROBABILITIES, IDS)
    mean = 0.9 / 3 + 0.1 * float(CONFIDENCE.mean())
    of_classes = 0.9 / 3 + 0.1 * PROBABILITIES.mean(0)
    limits = mean * of_classes / of_classes.max()
    expected = (limits[PROBABILITIES.argmax(1)] <= CONFIDENCE).float()
    assert torch.equal(found, expected)
    assert float(threshold.confidence) == pytest.approx(mean)
    torch.testing.assert_close(threshold.of_classes, of_classes)


def test_softmatch_gives_less_weight_below_the_mean() -> None:
    threshold = SoftMatch(0.5, classes=3)
    found = threshold.weights(PROBABILITIES, IDS)
    mean = 0.5 / 3 + 0.5 * float(CONFIDENCE.mean())
    variance = 0.5 + 0.5 * float(CONFIDENCE.var())
    expected = [math.exp(-((min(0.0, c - mean)) ** 2) / (2 * variance / 4)) for c in CONFIDENCE.tolist()]
    assert found.tolist() == pytest.approx(expected)
    assert found[0] == 1
    assert 0 < found[2] < 1


@pytest.mark.parametrize(
    "make", [lambda: Fixed(0.5), lambda: FlexMatch(0.5, 3, 6), lambda: FreeMatch(0.9, 3), lambda: SoftMatch(0.9, 3)]
)
def test_a_state_resumes_to_the_same_bits(make: type[Threshold]) -> None:
    def some(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(step)
        return torch.randn(4, 3, generator=generator).softmax(1), torch.randperm(6, generator=generator)[:4]

    undisturbed, first, resumed = make(), make(), make()
    expected = [undisturbed.weights(*some(step)) for step in range(8)]
    for step in range(4):
        first.weights(*some(step))
    resumed.load_state_dict(first.state_dict())
    assert all(torch.equal(resumed.weights(*some(step)), expected[step]) for step in range(4, 8))


@pytest.mark.parametrize(
    "threshold",
    [Fixed(0.7), FlexMatch(0.9, classes=3, pool=6), FreeMatch(0.5, classes=3), SoftMatch(0.5, classes=3)],
    ids=lambda threshold: type(threshold).__name__,
)
def test_a_prediction_counts_in_full_from_the_cutoff_of_its_class_on(threshold: Threshold) -> None:
    for _ in range(3):
        threshold.weights(PROBABILITIES, IDS)
    cutoff = threshold.cutoff().expand(3)[PROBABILITIES.argmax(1)]
    # That of the next step, where the state has hardly moved.
    full = threshold.weights(PROBABILITIES, IDS) == 1
    assert full.tolist() == (cutoff <= CONFIDENCE).tolist()
