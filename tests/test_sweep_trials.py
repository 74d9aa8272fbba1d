"""The states of trials: none is lost, left running or retried forever."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

from sprout.sweep import trials
from sprout.sweep.results import Result, keep_result

SPACE = {"train.lr": FloatDistribution(0.1, 1.0)}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return optuna.create_study(storage=RDBStorage(f"sqlite:///{tmp_path}/study.db"), directions=["maximize"])


def draw(study: Study) -> optuna.trial.Trial:
    return trials.draw(study, SPACE, RandomSampler(seed=len(study.trials)), threads=1)


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_failed_trial_is_tried_once_more_with_what_failed_noted(study: Study) -> None:
    first = draw(study)
    assert trials.fail(study, first, "out of memory")
    second = draw(study)
    assert second.number == 1
    assert second.params == first.params
    assert (second.user_attrs["retry_of"], second.user_attrs["earlier_reason"]) == (0, "out of memory")
    assert not trials.fail(study, second, "out of memory, too")
    third = draw(study)
    assert third.params != first.params
    assert states(study) == ["FAIL", "FAIL", "RUNNING"]
    assert [trial.user_attrs.get("reason") for trial in study.trials] == ["out of memory", "out of memory, too", None]


def test_trials_of_a_killed_sweep_are_queued_again(study: Study, tmp_path: Path) -> None:
    left = [draw(study) for _ in range(3)]
    keep_result(tmp_path, 1, Result([[0.75]]))
    assert trials.recover(study, tmp_path) == [0, 1, 2]
    assert states(study) == ["FAIL", "COMPLETE", "FAIL", "WAITING", "WAITING"]
    assert study.trials[1].values == [0.75]
    again = [draw(study) for _ in range(2)]
    assert [trial.params for trial in again] == [left[0].params, left[2].params]
    assert trials.recover(study, tmp_path) == [3, 4]


def test_a_kill_between_two_writes_makes_no_second_copy(study: Study, tmp_path: Path) -> None:
    trial = draw(study)
    trials.enqueue(study, trial.number, 1, "the sweep was ended")  # and killed before the trial is told
    assert trials.recover(study, tmp_path) == [0]
    assert states(study) == ["FAIL", "WAITING"]


def test_a_kill_while_a_second_failure_is_noted_makes_no_third_attempt(study: Study, tmp_path: Path) -> None:
    trials.fail(study, draw(study), "out of memory")
    second = draw(study)
    second.set_user_attr(trials.REASON, "out of memory, too")  # and killed before the trial is told
    assert trials.recover(study, tmp_path) == [1]
    assert states(study) == ["FAIL", "FAIL"]


def test_a_kill_before_anything_was_drawn_leaves_nothing_to_try_again(study: Study, tmp_path: Path) -> None:
    study.ask()
    assert trials.recover(study, tmp_path) == [0]
    assert states(study) == ["FAIL"]


def test_a_kill_while_a_second_attempt_is_drawn_loses_no_setting(study: Study, tmp_path: Path) -> None:
    first = draw(study)
    trials.interrupt(study, tmp_path, first.number)
    study.ask()  # and killed before its settings were noted
    trials.recover(study, tmp_path)
    assert draw(study).params == first.params


def test_settings_that_do_not_fit_are_not_tried_again(study: Study) -> None:
    trials.refuse(study, draw(study), "an even kernel")
    assert states(study) == ["FAIL"]
    assert study.trials[0].user_attrs["reason"] == "an even kernel"


def test_ending_a_sweep_is_no_failure_of_its_trials(study: Study, tmp_path: Path) -> None:
    for _ in range(4):
        trials.interrupt(study, tmp_path, draw(study).number)
    trial = draw(study)
    assert trial.user_attrs["attempt"] == 1
    assert trials.fail(study, trial, "its worker died")
    assert len(trials.done(study)) == 0


def test_the_best(study: Study) -> None:
    assert trials.best(study) == []
    for value in (0.1, 0.5, 0.3):
        study.tell(draw(study), value)
    study.tell(draw(study), state=TrialState.PRUNED)
    study.tell(draw(study), 0.5)
    assert [trial.number for trial in trials.best(study)] == [1], "the first of several"
    assert len(trials.done(study)) == 5
