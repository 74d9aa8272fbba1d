"""The settings for few labels: how long a student trains, and on how many images at once."""

import pytest

from sprout.data.importing.suggest_settings import (
    Amounts,
    Section,
    suggest_batch,
    suggest_for_few_labels,
    suggest_student_steps,
)

NO_FOLDS: Section = {"folds": None}


@pytest.mark.parametrize(("labels", "batch"), [(2, 8), (10, 8), (29, 16), (64, 64), (64_000, 64)])
def test_a_batch_is_not_larger_than_the_labels(labels: int, batch: int) -> None:
    assert suggest_batch(labels, 64) == batch


def test_larger_images_get_fewer_steps() -> None:
    assert suggest_student_steps(14 * 14, 64) == 3_986
    assert suggest_student_steps(24 * 24, 64) == 1_356
    assert suggest_student_steps(64, 64) == 4_000
    assert suggest_student_steps(10_000, 64) == 500


@pytest.mark.parametrize(("side", "patch"), [(4, 1), (15, 1), (16, 2), (32, 2), (64, 4), (96, 4)])
def test_patches_grow_with_the_images_and_leave_enough_to_halve_twice(side: int, patch: int) -> None:
    suggested = suggest_for_few_labels(side, side, 0.5, NO_FOLDS, Amounts(50, 500))
    assert suggested.model["patch"] == patch
    assert side // patch >= 4


def test_many_labels_lengthen_the_training_of_the_teacher() -> None:
    few, many = (suggest_for_few_labels(32, 32, 0.5, NO_FOLDS, Amounts(count, 500)).train for count in (1_000, 50_000))
    assert (few["batch_size"], few["steps_per_epoch"]) == (128, 50)
    assert (many["batch_size"], many["steps_per_epoch"]) == (128, 250)


def test_with_folds_batches_fit_and_the_steps_are_shared_by_all_trainings() -> None:
    whole, folded = (suggest_for_few_labels(28, 28, 0.5, {"folds": folds}, Amounts(64, 300)) for folds in (None, 5))
    assert (whole.retrain["batch_size"], folded.retrain["batch_size"]) == (64, 32)
    steps = [each.retrain["epochs"] * each.retrain["steps_per_epoch"] for each in (whole, folded)]  # type: ignore[operator]
    assert steps == [3_980, 1_320]
    assert (
        "5-fold cross-validation measures the error: one of 10% would be known to lie between 4% and 23%"
        in folded.learns
    )
    assert "fold" not in whole.learns
