"""Who goes past a rung of successive halving."""

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from sprout.sweep.halving import KEPT, SPACING, leaders, next_past, rungs


def study_of(direction: str, curves: list[dict[int, float]], failed: tuple[int, ...] = ()) -> Study:
    """A study of trials that have come so far, and run, or have failed."""
    study = optuna.create_study(direction=direction)
    for number, curve in enumerate(curves):
        trial = study.ask()
        for epoch, value in curve.items():
            trial.report(value, epoch)
        if number in failed:
            study.tell(trial, state=TrialState.FAIL)
    return study


def test_rungs_lie_below_the_end() -> None:
    assert list(rungs(1)) == []
    assert list(rungs(2)) == [1]
    assert list(rungs(SPACING)) == [1]
    assert list(rungs(SPACING + 1)) == [1, SPACING]
    assert list(rungs(100)) == [1, 8, 64]


@pytest.mark.parametrize(("direction", "best"), [("maximize", [9, 8]), ("minimize", [0, 1])])
def test_one_of_so_many_goes_past_by_the_value_at_the_rung(direction: str, best: list[int]) -> None:
    trials = study_of(direction, [{1: number / 10, 2: -number} for number in range(2 * KEPT)]).trials
    maximize = direction == "maximize"
    assert leaders(trials, 1, maximize=maximize) == best


def test_the_first_one_need_not_wait() -> None:
    assert leaders(study_of("maximize", [{1: 0.1}]).trials, 1, maximize=True) == [0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_never_among_the_best(value: float) -> None:
    assert leaders(study_of("maximize", [{1: value}, {1: 0.1}]).trials, 1, maximize=True) == [1]


def test_what_failed_has_no_voice() -> None:
    """It is tried again, and would be heard twice."""
    assert leaders(study_of("maximize", [{1: 0.9}, {1: 0.1}], failed=(0,)).trials, 1, maximize=True) == [1]


def test_the_highest_rung_is_taken_up_first() -> None:
    curves = [{1: 0.5, 8: 0.5}, {1: 0.9}, {1: 0.8, 8: 0.7}, {1: 0.4}]
    trials = study_of("maximize", curves).trials
    assert next_past(trials, {1, 2, 3}, maximize=True) == 2
    assert next_past(trials, {1, 3}, maximize=True) == 1
    assert next_past(trials, {3}, maximize=True) is None
    assert next_past(trials, set(), maximize=True) is None


def test_who_has_gone_past_keeps_the_place() -> None:
    """Else one more would go past each time."""
    trials = study_of("maximize", [{1: 0.9, 2: 0.9}, *({1: 0.1 * number} for number in range(4))]).trials
    assert next_past(trials, {1, 2, 3, 4}, maximize=True) is None
