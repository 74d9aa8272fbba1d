"""The settings for few labels: how long a student trains, and on how many images at once."""

import pytest

from sprout.data.importing.suggest_few_labels import suggest_batch, suggest_for_few_labels, suggest_student_steps
from sprout.data.importing.suggested import Amounts, Section

NO_FOLDS: Section = {"folds": None}


@pytest.mark.parametrize(("labels", "batch"), [(2, 8), (10, 8), (29, 16), (64, 64), (64_000, 64)])
def test_a_batch_is_not_larger_than_the_labels(labels: int, batch: int) -> None:
    assert suggest_batch(labels, 64) == batch


def test_larger_images_get_fewer_steps() -> None:
    assert suggest_student_steps(28 * 28, 64) == 3_100
    assert suggest_student_steps(48 * 48, 64) == 1_055
    assert suggest_student_steps(64, 64) == 4_000
    assert suggest_student_steps(10_000, 64) == 500


@pytest.mark.parametrize(
    ("side", "patch", "widths"), [(4, 1, 2), (15, 1, 2), (16, 1, 3), (47, 1, 3), (48, 2, 3), (96, 2, 3)]
)
def test_the_network_halves_images_as_often_as_they_bear(side: int, patch: int, widths: int) -> None:
    suggested = suggest_for_few_labels(side, side, 0.5, NO_FOLDS, Amounts(50, 500))
    assert suggested.model.get("patch", 1) == patch
    assert len(suggested.model["widths"]) == widths  # type: ignore[arg-type]
    assert side // patch >= 2**widths


@pytest.mark.parametrize(("flip", "averaged"), [(0.0, False), (0.5, True)])
def test_mirror_images_are_averaged_only_where_images_are_mirrored(flip: float, averaged: bool) -> None:
    suggested = suggest_for_few_labels(28, 28, flip, NO_FOLDS, Amounts(50, 500))
    assert suggested.model["flip_average"] is averaged


def test_many_labels_lengthen_the_training_of_the_teacher() -> None:
    few, many = (suggest_for_few_labels(32, 32, 0.5, NO_FOLDS, Amounts(count, 500)).train for count in (1_000, 50_000))
    assert (few["batch_size"], few["steps_per_epoch"]) == (128, 50)
    assert (many["batch_size"], many["steps_per_epoch"]) == (128, 250)


def test_with_folds_batches_fit_and_the_steps_are_shared_by_all_trainings() -> None:
    whole, folded = (suggest_for_few_labels(28, 28, 0.5, {"folds": folds}, Amounts(64, 300)) for folds in (None, 5))
    assert (whole.retrain["batch_size"], folded.retrain["batch_size"]) == (64, 32)
    steps = [each.retrain["epochs"] * each.retrain["steps_per_epoch"] for each in (whole, folded)]  # type: ignore[operator]
    assert steps == [3_100, 1_020]
    assert (
        "5-fold cross-validation measures the error: one of 10% would be known to lie between 4% and 23%"
        in folded.learns
    )
    assert "fold" not in whole.learns
