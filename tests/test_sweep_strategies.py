"""Samplers draw the same values after a restart; pruners prune the right trials."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

from sprout.sweep import trials
from sprout.sweep.strategies import KEEP_ONE_OF, make_pruner, make_sampler, rung_index

SPACE = {"train.lr": FloatDistribution(0.1, 1.0)}


@pytest.fixture
def study() -> Study:
    """Named, as the bracket of a trial of Hyperband follows from the name."""
    return optuna.create_study(study_name="s", directions=["maximize"])


def ends_after(study: Study, curve: dict[int, float]) -> int | None:
    """Run a trial; return the epoch that it is pruned after, None if it is not."""
    trial = study.ask()
    for epoch, value in curve.items():
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, curve[max(curve)])
    return None


def test_the_rungs_are_after_1_8_and_64_epochs() -> None:
    assert {epoch: rung_index(epoch) for epoch in range(1, 101) if rung_index(epoch) is not None} == {1: 0, 8: 1, 64: 2}


@pytest.mark.parametrize(("worse_from", "pruned"), [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (65, None)])
def test_successive_halving_prunes_only_at_a_rung(study: Study, worse_from: int, pruned: int | None) -> None:
    study.pruner = make_pruner("successive_halving", 70)
    assert ends_after(study, dict.fromkeys(range(1, 71), 0.5)) is None
    assert ends_after(study, {epoch: 0.4 if epoch >= worse_from else 0.6 for epoch in range(1, 71)}) == pruned


@pytest.mark.parametrize("rung", [1, 8])
def test_a_quarter_passes_each_rung(study: Study, rung: int) -> None:
    """40 trials come from best to worst: only the first one passes. Of all so far the ten best would."""
    study.pruner = make_pruner("successive_halving", 9)

    def ends(number: int, at_rung: float) -> int | None:
        """Away from the rung each trial is the best so far."""
        return ends_after(study, {epoch: at_rung if epoch == rung else 100.0 + number for epoch in range(1, 10)})

    assert [ends(number, -number) for number in range(40)] == [None] + [rung] * 39
    assert ends(40, -8.5) is None, "the tenth of 41"
    assert ends(41, -9.5) == rung, "the twelfth of 42"
    assert KEEP_ONE_OF == 4


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_nan_does_not_pass_a_rung(study: Study, value: float) -> None:
    study.pruner = make_pruner("successive_halving", 9)
    assert ends_after(study, dict.fromkeys(range(1, 10), 0.1)) is None
    assert ends_after(study, dict.fromkeys(range(1, 10), value)) == 1


@pytest.mark.parametrize(
    ("name", "pruned"), [("successive_halving", True), ("hyperband", True), ("median", True), ("none", False)]
)
def test_the_worst_of_many_is_pruned(study: Study, name: str, pruned: bool) -> None:
    study.pruner = make_pruner(name, 16)
    for quality in range(16, 0, -1):
        trial = study.ask()
        for epoch in range(1, 5):
            trial.report(quality * epoch, epoch)
            trial.should_prune()
        study.tell(trial, quality)
    assert (ends_after(study, {1: 0.0, 2: 0.0}) is not None) is pruned


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2"])
def test_a_sampler_draws_the_same_after_a_restart(tmp_path: Path, name: str) -> None:
    def draws(*, restart: bool) -> list[float]:
        path = tmp_path / f"{restart}-{len(list(tmp_path.iterdir()))}.db"
        study = optuna.create_study(storage=RDBStorage(f"sqlite:///{path}"), study_name="s", directions=["maximize"])
        found = []
        for number in range(24):
            if restart:
                study = optuna.load_study(storage=RDBStorage(f"sqlite:///{path}"), study_name="s")
            trial = trials.draw(study, SPACE, make_sampler(name, number, 24, 1), threads=1)
            found.append(trial.params["train.lr"])
            study.tell(trial, -((found[-1] - 0.4) ** 2))
        return found

    found = draws(restart=True)
    assert found == draws(restart=False)
    assert len(set(found)) == len(found)


def test_tpe_with_several_workers_draws_away_from_running_trials(tmp_path: Path) -> None:
    """Ten draws while the ones before still run: with the constant liar they spread more than without."""

    def spread(workers: int) -> float:
        study = optuna.create_study(direction="maximize")
        for number in range(20):
            trial = trials.draw(study, SPACE, RandomSampler(seed=number), threads=1)
            study.tell(trial, -abs(trial.params["train.lr"] - 0.4))
        drawn = [trials.draw(study, SPACE, make_sampler("tpe", 7 * n, 60, workers), threads=1) for n in range(10)]
        values = [trial.params["train.lr"] for trial in drawn]
        return max(values) - min(values)

    assert spread(2) > spread(1)


def test_tpe_learns_from_pruned_trials(tmp_path: Path) -> None:
    """40 of them, better the nearer to 0.7; random draws would be off by 0.25 on average."""
    study = optuna.create_study(storage=RDBStorage(f"sqlite:///{tmp_path}/study.db"), directions=["maximize"])
    found = []
    for number in range(40):
        trial = trials.draw(study, SPACE, make_sampler("tpe", number, 60, 1), threads=1)
        found.append(abs(trial.params["train.lr"] - 0.7))
        trial.report(-found[-1], 1)
        study.tell(trial, state=TrialState.PRUNED)
    assert sum(found[20:]) / 20 < 0.15 < sum(found[:10]) / 10
