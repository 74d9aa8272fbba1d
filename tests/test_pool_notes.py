"""What the figures of the unlabelled pool warn of, and what not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sprout.report.pool_notes import SHOWN, differing, few_kept, other_shares, pool_notes, unlike_labels

WELL: dict[str, Any] = {
    "classes": ["cat", "dog"],
    "examples": 1_000,
    "kept_share": 0.8,
    "labels": 500,
    "label_shares": [0.5, 0.5],
    "predicted_shares": [0.45, 0.55],
    "val": 100,
    "noun": "val examples",
    "confidence_on_val": 0.9,
    "confidence_on_pool": 0.88,
    "confidence_spread": 0.2,
}


def test_where_all_is_well_there_is_nothing_to_say() -> None:
    assert pool_notes(WELL) == []


def test_each_warning_is_one_line_with_its_numbers() -> None:
    wrong = {"kept_share": 0.12, "predicted_shares": [0.97, 0.03], "confidence_on_pool": 0.6}
    notes = pool_notes(WELL | wrong)
    assert len(notes) == 3
    for said in (["60%", "100 val examples (90%)"], ["12%"], ["dog 3% (labels 50%)", "retrain.method.alignment=none"]):
        assert any(all(each in note for each in said) for note in notes), said
    assert all("\n" not in note for note in notes)


def test_a_student_that_did_not_learn_from_the_pool_itself_is_not_judged_by_it() -> None:
    assert pool_notes(WELL | {"kept_share": None, "predicted_shares": [1.0, 0.0]}) == []


@pytest.mark.parametrize(("share", "said"), [(0.0, True), (0.19, True), (0.2, False), (1.0, False)])
def test_few_kept_predictions(share: float, said: bool) -> None:
    assert (few_kept(share) is not None) == said


@pytest.mark.parametrize(
    ("labels", "predicted", "labelled", "examples", "found"),
    [
        ([0.5, 0.5], [0.5, 0.5], 500, 1_000, []),
        ([0.5, 0.5], [0.7, 0.3], 500, 1_000, []),  # neither twice nor half
        ([0.25, 0.25, 0.5], [0.6, 0.1, 0.3], 500, 1_000, [0, 1]),
        ([0.5, 0.5], [1.0, 0.0], 500, 1_000, [0, 1]),  # a pool of one class
        ([0.5, 0.5], [1.0, 0.0], 500, 4, []),  # chance, in so few
        ([0.75, 0.25], [0.3, 0.7], 4, 1_000, []),  # the same of the labels
        ([0.01] * 100, [0.03, *[0.97 / 99] * 99], 10_000, 10_000, [0]),
        ([0.5, 0.5, 0.0], [0.4, 0.4, 0.2], 500, 1_000, [2]),  # a class without a label
    ],
)
def test_class_shares_that_differ_beyond_chance(
    labels: Sequence[float], predicted: Sequence[float], labelled: int, examples: int, found: list[int]
) -> None:
    assert differing(np.array(labels), np.array(predicted), labelled, examples).tolist() == found


@pytest.mark.parametrize(("classes", "labelled"), [(2, 20), (10, 60), (10, 1000), (100, 500)])
def test_equal_shares_seldom_seem_to_differ(classes: int, labelled: int) -> None:
    """Of labels and a pool from one distribution, whose examples are all predicted right."""
    draws, even = np.random.default_rng(0), np.full(classes, 1 / classes)
    alarms = [
        bool(
            len(
                differing(
                    draws.multinomial(labelled, even) / labelled, draws.multinomial(300, even) / 300, labelled, 300
                )
            )
        )
        for _ in range(300)
    ]
    assert np.mean(alarms) <= 0.02


def test_of_many_classes_those_that_differ_most_are_named() -> None:
    labels, predicted = np.full(20, 0.05), np.array([0.43, 0.2, *[0.37 / 18] * 18])
    note = other_shares(labels, predicted, 1_000, 10_000, [f"class {i}" for i in range(20)])
    assert note is not None
    assert "class 0 43% (labels 5%), class 1 20% (labels 5%)" in note
    assert f"and {20 - SHOWN} more classes" in note


@pytest.mark.parametrize(
    ("on_val", "on_pool", "val", "said"),
    [
        (0.9, 0.6, 100, True),
        (0.9, 0.85, 100_000, False),  # certain, and small
        (0.9, 0.75, 8, False),  # large, and chance: one standard error is 0.07
        (0.9, 0.75, 100, True),
        (0.6, 0.9, 100, False),
    ],
)
def test_a_pool_unlike_the_labels(on_val: float, on_pool: float, val: int, said: bool) -> None:
    assert (unlike_labels(on_val, on_pool, 0.2, val, 10_000, "val examples") is not None) == said


def test_a_single_unlabelled_example_says_little() -> None:
    assert unlike_labels(0.9, 0.65, 0.0, 100, 1, "val examples") is None
