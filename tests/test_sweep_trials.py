"""What becomes of trials: none is lost, none is left running, none is tried for ever."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.results import Result, keep_result
from sprout.sweep.strategies import make_pruner, make_sampler
from sprout.sweep.study import held, open_study

SPACE = {"train.lr": FloatDistribution(0.1, 1.0)}
DEFINITION = {"train": {"epochs": 3}, "sweep": {"space": {"train": {"lr": {"low": 0.1}}}}}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Named, as a trial's ladder of Hyperband follows from the name."""
    return optuna.create_study(
        storage=RDBStorage(f"sqlite:///{tmp_path}/study.db"), study_name="s", directions=["maximize"]
    )


def ask(study: Study) -> optuna.trial.Trial:
    return trials.ask(study, SPACE, RandomSampler(seed=len(study.trials)), threads=1)


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_failed_trial_is_tried_once_more_with_what_failed_noted(study: Study) -> None:
    first = ask(study)
    assert trials.fail(study, first, "out of memory")
    second = ask(study)
    assert second.number == 1
    assert second.params == first.params
    assert (second.user_attrs["retry_of"], second.user_attrs["earlier_reason"]) == (0, "out of memory")
    assert not trials.fail(study, second, "out of memory, too")
    third = ask(study)
    assert third.params != first.params
    assert states(study) == ["FAIL", "FAIL", "RUNNING"]
    assert [trial.user_attrs.get("reason") for trial in study.trials] == ["out of memory", "out of memory, too", None]


def test_what_a_killed_sweep_left_running_begins_again(study: Study, tmp_path: Path) -> None:
    left = [ask(study) for _ in range(3)]
    keep_result(tmp_path, 1, Result([[0.75]]))
    assert trials.recover(study, tmp_path) == ([0, 1, 2], [])
    assert states(study) == ["FAIL", "COMPLETE", "FAIL", "WAITING", "WAITING"]
    assert study.trials[1].values == [0.75]
    again = [ask(study) for _ in range(2)]
    assert [trial.params for trial in again] == [left[0].params, left[2].params]
    assert trials.recover(study, tmp_path) == ([3, 4], [])


def test_a_kill_between_two_writes_makes_no_second_copy(study: Study, tmp_path: Path) -> None:
    trial = ask(study)
    trials.enqueue(study, trial.number, 1, "the sweep was ended")  # and killed before the trial is told
    assert trials.recover(study, tmp_path) == ([0], [])
    assert states(study) == ["FAIL", "WAITING"]


def test_a_kill_while_a_second_failure_is_noted_makes_no_third_attempt(study: Study, tmp_path: Path) -> None:
    trials.fail(study, ask(study), "out of memory")
    second = ask(study)
    second.set_user_attr(trials.REASON, "out of memory, too")  # and killed before the trial is told
    assert trials.recover(study, tmp_path) == ([1], [])
    assert states(study) == ["FAIL", "FAIL"]


def test_a_kill_before_anything_was_drawn_leaves_nothing_to_try_again(study: Study, tmp_path: Path) -> None:
    study.ask()
    assert trials.recover(study, tmp_path) == ([0], [])
    assert states(study) == ["FAIL"]


def test_a_kill_while_a_second_attempt_is_drawn_loses_no_setting(study: Study, tmp_path: Path) -> None:
    first = ask(study)
    trials.interrupt(study, tmp_path, first.number)
    study.ask()  # and killed before its settings were noted
    trials.recover(study, tmp_path)
    assert ask(study).params == first.params


def test_settings_that_do_not_fit_are_not_tried_again(study: Study) -> None:
    trials.refuse(study, ask(study), "an even kernel")
    assert states(study) == ["FAIL"]
    assert study.trials[0].user_attrs["reason"] == "an even kernel"


def test_what_waits_at_a_rung_is_pruned_after_a_kill(study: Study, tmp_path: Path) -> None:
    trial = ask(study)
    trial.report(0.5, 1)
    trial.set_user_attr(trials.PAUSED, True)
    assert trials.recover(study, tmp_path) == ([], [0])
    assert states(study) == ["PRUNED"]
    assert study.trials[0].value == 0.5


def test_an_ended_sweep_is_no_failure_of_the_trial(study: Study, tmp_path: Path) -> None:
    for _ in range(4):
        trials.interrupt(study, tmp_path, ask(study).number)
    trial = ask(study)
    assert trial.user_attrs["attempt"] == 1
    assert trials.fail(study, trial, "its worker died")
    assert len(trials.done(study)) == 0


def test_the_best(study: Study) -> None:
    assert trials.best(study) == []
    for value in (0.1, 0.5, 0.3):
        study.tell(ask(study), value)
    study.tell(ask(study), state=TrialState.PRUNED)
    study.tell(ask(study), 0.5)
    assert [trial.number for trial in trials.best(study)] == [1], "the first of several"
    assert len(trials.done(study)) == 5


def test_a_study_goes_on_and_a_fresh_one_is_another(tmp_path: Path) -> None:
    for fresh, name in ((False, "digits"), (False, "digits"), (True, "digits+2"), (False, "digits+2")):
        with held(tmp_path, "digits", fresh) as place:
            study = open_study(place, DEFINITION, ["maximize"])
            ask(study)
            assert place.name == name
            assert study.study_name == name
    assert len(study.trials) == 2


def test_the_newest_study_is_gone_on_with_though_one_before_it_is_gone(tmp_path: Path) -> None:
    for name in ("digits", "digits+3", "digits-2", "digits+x"):
        (tmp_path / name).mkdir()
    with held(tmp_path, "digits", fresh=False) as place:
        assert place.name == "digits+3"
    with held(tmp_path, "digits", fresh=True) as place:
        assert place.name == "digits+4"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00 and then nothing" * 300])
def test_a_damaged_study_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    with held(tmp_path, "digits", fresh=False) as place:
        place.folder.mkdir()
        place.database.write_bytes(content)
        with pytest.raises(UserError, match=r"study.db: cannot be read: .*; begin a new one by --fresh"):
            open_study(place, DEFINITION, ["maximize"])


def test_results_of_a_study_that_is_lost_are_not_taken_for_those_of_a_new_one(tmp_path: Path) -> None:
    with held(tmp_path, "digits", fresh=False) as place:
        open_study(place, DEFINITION, ["maximize"])
        keep_result(place.results, 0, Result([[0.75]]))
        place.database.unlink()
        study = open_study(place, DEFINITION, ["maximize"])
        ask(study)
        trials.recover(study, place.results)
    assert states(study) == ["FAIL", "WAITING"]


def test_a_study_is_held_by_one(tmp_path: Path) -> None:
    with held(tmp_path, "digits", fresh=False):
        says = r"^sweep digits: process \d+, since 20\d\d-.* is at it"
        with pytest.raises(UserError, match=says), held(tmp_path, "digits", fresh=True):
            pass
        with held(tmp_path, "other", fresh=False) as place:
            assert place.name == "other"
    with held(tmp_path, "digits", fresh=False):
        pass


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"train": {"epochs": 4}}, "train.epochs was 3, is 4"),
        ({"sweep": {"space": {"train": {"lr": {"low": 0.2}}}}}, "sweep.space.train.lr.low was 0.1, is 0.2"),
        ({"data": {"data/prepared": "abc"}}, 'data.data/prepared was null, is "abc"'),
    ],
)
def test_another_definition_is_refused_with_the_difference(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    with held(tmp_path, "digits", fresh=False) as place:
        open_study(place, DEFINITION, ["maximize"])
        with pytest.raises(UserError) as raised:
            open_study(place, DEFINITION | changed, ["maximize"])
        open_study(place, DEFINITION, ["maximize"])
    assert says in str(raised.value)
    assert "--fresh" in str(raised.value)


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2"])
def test_a_sampler_draws_the_same_after_a_restart(tmp_path: Path, name: str) -> None:
    def draws(*, restart: bool) -> list[float]:
        path = tmp_path / f"{restart}-{len(list(tmp_path.iterdir()))}.db"
        study = optuna.create_study(storage=RDBStorage(f"sqlite:///{path}"), study_name="s", directions=["maximize"])
        found = []
        for number in range(24):
            if restart:
                study = optuna.load_study(storage=RDBStorage(f"sqlite:///{path}"), study_name="s")
            trial = trials.ask(study, SPACE, make_sampler(name, number, 24, 1), threads=1)
            found.append(trial.params["train.lr"])
            study.tell(trial, -((found[-1] - 0.4) ** 2))
        return found

    found = draws(restart=True)
    assert found == draws(restart=False)
    assert len(set(found)) == len(found)


def test_the_estimator_learns_of_trials_that_wait_at_a_rung(tmp_path: Path) -> None:
    """40 of them, the better the nearer to 0.7; by chance the draws would be off by 0.25 in the mean."""
    study = optuna.create_study(storage=RDBStorage(f"sqlite:///{tmp_path}/study.db"), directions=["maximize"])
    found = []
    for number in range(40):
        trial = trials.ask(study, SPACE, make_sampler("tpe", number, 60, 1), threads=1)
        found.append(abs(trial.params["train.lr"] - 0.7))
        trial.report(-found[-1], 1)
    assert states(study) == ["RUNNING"] * 40
    assert sum(found[20:]) / 20 < 0.15 < sum(found[:10]) / 10


@pytest.mark.parametrize(("name", "pruned"), [("hyperband", True), ("median", True), ("none", False)])
def test_the_worst_of_many_is_pruned(study: Study, name: str, pruned: bool) -> None:
    study.pruner = make_pruner(name, 16)
    for quality in range(16, 0, -1):
        trial = ask(study)
        for epoch in range(1, 5):
            trial.report(quality * epoch, epoch)
            trial.should_prune()
        study.tell(trial, quality)
    worst = ask(study)
    worst.report(0.0, 1)
    first = worst.should_prune()
    worst.report(0.0, 2)
    assert bool(first or worst.should_prune()) is pruned
