"""Conditions and powers of two: what real searches draw, and that each draw is a config."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from sprout.config.compose import compose_config
from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.conclusion import conclude, uncompared
from sprout.sweep.search import Search
from sprout.sweep.space import distributions, powers_of_two
from sprout.sweep.strategies import PowersOfTwo, make_sampler
from sprout.sweep.trials import THREADS

CONF = Path("conf")
MOMENTUM, OPTIMIZER, BATCH = "train.optimizer.args.momentum", "train.optimizer", "train.batch_size"


def search_of(*overrides: str) -> Search:
    return Search(CONF, compose_config(CONF, "digits", ["sweep=optimizer", *overrides]))


def drawn(search: Search, count: int, sampler: str = "random") -> Study:
    """A study of complete trials, whose value is better with more momentum."""
    study = optuna.create_study(direction="maximize")
    for number in range(count):
        chosen = PowersOfTwo(make_sampler(sampler, number, count, 1), powers_of_two(search.space))
        trial = trials.draw(study, distributions(search.space), chosen, threads=1)
        search.draw_conditional(trial)
        study.tell(trial, trial.params.get(MOMENTUM, 0.2) + trial.params["train.lr"])
    return study


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_momentum_is_drawn_for_sgd_alone(project: Path, sampler: str) -> None:
    search = search_of()
    study = drawn(search, 24, sampler)
    assert {trial.params[OPTIMIZER] for trial in study.trials} == {"adam", "adamw", "sgd"}
    for trial in study.trials:
        assert (MOMENTUM in trial.params) is (trial.params[OPTIMIZER] == "sgd")
        train = search.config_of(trial.params, 0, 1).config["train"]
        assert train["optimizer"]["name"] == trial.params[OPTIMIZER]
        assert train["optimizer"]["args"].get("momentum") == trial.params.get(MOMENTUM)
        assert train["batch_size"] in (8, 16, 32, 64, 128, 256)


def test_a_condition_on_an_earlier_conditional_parameter(project: Path) -> None:
    choices = "kind: choice, choices: [constant, cosine]"
    schedule = f"+sweep.space.train.schedule={{{choices}, when: {{train.optimizer.name: sgd}}}}"
    of_cosine = "kind: float, low: 0.0, high: 0.2, step: null, when: {train.schedule.name: cosine}"
    warmup = f"+sweep.space.train.schedule.warmup={{{of_cosine}}}"
    for trial in drawn(search_of(schedule, warmup), 30).trials:
        sgd = trial.params[OPTIMIZER] == "sgd"
        assert ("train.schedule" in trial.params) is sgd
        assert ("train.schedule.warmup" in trial.params) is (trial.params.get("train.schedule") == "cosine")


NEVER = "no parameter that is drawn before makes it so"
OF_MOMENTUM = f"sweep.space.{MOMENTUM}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{OF_MOMENTUM}.when={{train.optimizer.name: sdg}}", f"when: .*: {NEVER}"),
        (f"{OF_MOMENTUM}.high=0.1", "low=0.5 with high=0.1"),
        ("sweep.space.train.optimizer.choices=[adam,adamw]", f'when: train.optimizer.name="sgd": {NEVER}'),
        ("sweep.space.train.batch_size.high=100", "powers_of_two accepts powers of two, such as 64 or 128"),
    ],
)
def test_a_condition_that_is_never_met_and_what_it_does_not_allow_are_refused(
    project: Path, override: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        search_of(override)


def test_a_trial_that_is_tried_again_has_the_same_params(project: Path) -> None:
    search = search_of()
    study = drawn(search, 12)
    first = next(trial for trial in study.trials if MOMENTUM in trial.params)
    trials.enqueue(study, first.number, 2, "out of memory")
    again = trials.draw(study, distributions(search.space), make_sampler("random", 99, 12, 1), threads=1)
    search.draw_conditional(again)
    assert again.params == first.params


def test_each_power_of_two_is_equally_likely(project: Path) -> None:
    search = search_of("sweep.space.train.batch_size.low=16")
    found = Counter(trial.params[BATCH] for trial in drawn_batches(search, 600))
    assert set(found) == {16, 32, 64, 128, 256}
    assert all(abs(count - 120) < 4 * math.sqrt(120) for count in found.values())
    whole = search_of("sweep.space.train.batch_size.powers_of_two=false")
    found = Counter(trial.params[BATCH] for trial in drawn_batches(whole, 200))
    assert len(found) > 60
    assert 60 < sum(count for batch, count in found.items() if batch <= 45) < 140


def drawn_batches(search: Search, count: int) -> list[Any]:
    study = optuna.create_study()
    space = {BATCH: distributions(search.space)[BATCH]}
    sampler = PowersOfTwo(make_sampler("random", 0, count, 1), powers_of_two(search.space))
    return [trials.draw(study, space, sampler, threads=1) for _ in range(count)]


def test_choices_without_a_finished_trial_are_named(project: Path) -> None:
    study = optuna.create_study(direction="maximize")
    space = distributions(search_of().space)
    for name, state in [("adam", TrialState.PRUNED), ("adam", TrialState.FAIL), ("sgd", TrialState.COMPLETE)]:
        study.enqueue_trial({OPTIMIZER: name})
        study.tell(study.ask(space), 0.5 if state == TrialState.COMPLETE else None, state)
    assert [*uncompared(study)] == [
        "not compared yet, train.optimizer: adam: 0 of 2 finished, adamw: 0 of 0 finished",
    ]
    study.enqueue_trial({OPTIMIZER: "adam"})
    study.enqueue_trial({OPTIMIZER: "adamw"})
    for _ in range(2):
        study.tell(study.ask(space), 0.5)
    assert [*uncompared(study)] == []


def test_the_end_of_a_study_with_a_condition(project: Path, tmp_path: Path) -> None:
    study = drawn(search_of(), 24)
    for trial in study.trials:
        assert trial.user_attrs[THREADS] == 1
    printed, pictures = conclude(study, ["val_accuracy"], tmp_path / "pictures", tmp_path)
    assert {path.stem for path in pictures} == {"history", "slices", "parallel_coordinates", "importances"}
    best, importance = (item for item in printed if not isinstance(item, str))
    having = sum(MOMENTUM in trial.params for trial in study.trials)
    assert f"none: drawn in {having} of 24 trials" in [*importance.columns[1].cells]
    names = [str(column.header) for column in best.columns]
    assert names == ["trial", "val_accuracy", "optimizer", "lr", "batch_size", "momentum"]
