"""The selection of pseudo-labels."""

from typing import Any

import numpy as np
import pytest

from sprout.config.pseudo_label import Curriculum, Threshold
from sprout.selftraining.selection import Selected, class_scales, scaled, select

# Predictions 0 1 0 2 0 1 2, of these confidences.
CONFIDENCE = [0.9, 0.8, 0.7, 0.9, 0.9, 0.5, 0.95]
PREDICTED = [0, 1, 0, 2, 0, 1, 2]


def certain(predicted: Any, confidence: Any, classes: int = 3) -> Any:
    """Probabilities with these predictions; the rest is spread evenly."""
    confidence = np.asarray(confidence, np.float32)
    rest = (1 - confidence) / (classes - 1)
    probabilities = np.repeat(rest[:, None], classes, axis=1)
    probabilities[np.arange(len(confidence)), predicted] = confidence
    return probabilities


PROBABILITIES = certain(PREDICTED, CONFIDENCE)
NONE = np.zeros((0, 3), np.float32)


def selected(probabilities: Any, config: Threshold | Curriculum, number: int) -> Selected:
    """The selection among the most probable classes."""
    confidence = probabilities.max(axis=1, initial=0)
    return select(probabilities.argmax(axis=1), confidence, probabilities.shape[1], config, number)


def threshold(value: float, per_class: int | None = None) -> Threshold:
    return Threshold("keep", 1, per_class, "none", "threshold", value)


def curriculum(share: float = 1.0, rounds: int = 1, per_class: int | None = None) -> Curriculum:
    return Curriculum("keep", rounds, per_class, "none", "curriculum", share)


@pytest.mark.parametrize(
    ("value", "per_class", "rows"),
    [
        (0.0, None, [0, 1, 2, 3, 4, 5, 6]),
        (0.8, None, [0, 1, 3, 4, 6]),
        (0.9, None, [0, 3, 4, 6]),  # the threshold itself is enough, also in float32
        (0.96, None, []),
        (0.0, 1, [0, 1, 6]),  # 0 and 4 have the same confidence: the earlier one
        (0.0, 2, [0, 1, 3, 4, 5, 6]),
        (0.75, 2, [0, 1, 3, 4, 6]),
        (0.0, 100, [0, 1, 2, 3, 4, 5, 6]),
        (0.96, 1, []),
    ],
)
def test_what_reaches_the_threshold_is_accepted(value: float, per_class: int | None, rows: list[int]) -> None:
    found = selected(PROBABILITIES, threshold(value, per_class), 1)
    assert found.rows.tolist() == rows
    assert found.rows.dtype == np.int64
    of_class = [[row for row in rows if PREDICTED[row] == index] for index in range(3)]
    reach = [[row for row in range(7) if PREDICTED[row] == i and CONFIDENCE[row] >= value] for i in range(3)]
    expected = [
        value if len(kept) == len(all_) else min(CONFIDENCE[row] for row in kept)
        for kept, all_ in zip(of_class, reach, strict=True)
    ]
    assert found.thresholds == pytest.approx(expected), "from which the accepted ones are accepted"


def test_the_most_confident_of_a_class_win_wherever_they_stand() -> None:
    generator = np.random.default_rng(0)
    predicted, confidence = generator.integers(0, 3, 300), generator.uniform(0.4, 1, 300)
    found = selected(certain(predicted, confidence), threshold(0.6, 20), 1).rows
    for index in range(3):
        confident = [row for row in range(300) if predicted[row] == index and confidence[row] >= 0.6]
        most = sorted(confident, key=lambda row: -confidence[row])[:20]
        assert [row for row in found if predicted[row] == index] == sorted(most)


@pytest.mark.parametrize("config", [threshold(0.5, 3), curriculum(per_class=3)], ids=["threshold", "curriculum"])
def test_among_equals_the_earlier_rows_win(config: Threshold | Curriculum) -> None:
    assert selected(certain([1] * 50, [0.75] * 50), config, 1).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("config", [threshold(0.0), threshold(0.0, 2), curriculum(), curriculum(per_class=2)])
def test_an_empty_pool_accepts_nothing(config: Threshold | Curriculum) -> None:
    assert selected(NONE, config, 1).rows.tolist() == []


def test_a_curriculum_accepts_the_same_share_of_each_class_and_more_in_each_round() -> None:
    """Class 0 has 40 predictions, all of them less confident than the 10 of class 1; class 2 has none."""
    predicted = np.array([0] * 40 + [1] * 10)
    confidence = np.concatenate([np.linspace(0.4, 0.6, 40), np.linspace(0.7, 0.99, 10)])
    config, before = curriculum(0.8, rounds=4), set[int]()
    for number, (first, second) in enumerate([(8, 2), (16, 4), (24, 6), (32, 8)], 1):
        found = selected(certain(predicted, confidence), config, number)
        assert np.bincount(predicted[found.rows]).tolist() == [first, second]
        assert found.thresholds.tolist() == pytest.approx([confidence[40 - first], confidence[50 - second], 0])
        assert before < set(found.rows.tolist())
        before = set(found.rows.tolist())


def test_a_class_that_is_accepted_whole_has_no_threshold() -> None:
    assert selected(PROBABILITIES, curriculum(), 1).thresholds.tolist() == [0, 0, 0]
    assert selected(PROBABILITIES, curriculum(per_class=2), 1).thresholds == pytest.approx([0.9, 0, 0])


def test_a_share_of_few_predictions_is_at_least_one_of_them() -> None:
    assert selected(certain([0, 0, 1], [0.5, 0.6, 0.7]), curriculum(0.1), 1).rows.tolist() == [1, 2]


def test_alignment_moves_the_mean_towards_the_wanted_shares() -> None:
    found = np.random.default_rng(0).dirichlet([4.0, 2.0, 1.0], 500).astype(np.float32)
    wanted = np.array([0.2, 0.3, 0.5])
    total = found.sum(axis=0, dtype=np.float64)
    aligned = scaled(found, class_scales(total, 500, wanted))
    assert aligned.dtype == np.float32
    assert aligned.sum(axis=1) == pytest.approx(np.ones(500))
    gap_before, gap_after = (np.abs(each.mean(axis=0) - wanted).max() for each in (found, aligned))
    assert gap_after < 0.2 * gap_before
    assert scaled(found, class_scales(total, 500, total / 500)) == pytest.approx(found)
    assert class_scales(np.zeros(3), 0, wanted).tolist() == [1, 1, 1]
