"""Plots of a study: the position of values, and importances only with enough trials."""

import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from matplotlib import pyplot as plt
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import TrialState

from sprout.sweep import pictures
from sprout.sweep.importance import MIN_TRIALS, importances, last_values

SPACE = {
    "train.lr": FloatDistribution(1e-4, 1e-2, log=True),
    "train.batch_size": CategoricalDistribution([16, 32, 64]),
    "model.hidden": CategoricalDistribution(["[]", "[32]"]),
    "model.kernel": IntDistribution(1, 5, step=2),
}
FAR = 72_022.0


def study_of(count: int, *, far: bool = False) -> Study:
    """Of four trials one is complete, one fails and two are pruned, one of these with NaN."""
    study = optuna.create_study(direction="minimize", sampler=RandomSampler(seed=0))
    for number in range(count):
        trial = study.ask(SPACE)
        value = FAR if far and number == 4 else 0.5 + trial.params["model.kernel"] / 10
        trial.report(math.nan if number % 4 == 2 else value + 0.1, 1)
        if number % 4 == 0:
            trial.report(value, 2)
            study.tell(trial, value)
        else:
            study.tell(trial, state=TrialState.FAIL if number % 4 == 3 else TrialState.PRUNED)
    return study


def two_objectives(count: int) -> Study:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask(SPACE)
        size = 1000.0 if trial.params["model.hidden"] == "[]" else 50_000.0
        study.tell(trial, [trial.params["train.lr"] + size / 1e6, size])
    return study


def drawn(study: Study, index: int = 0) -> list[float]:
    """The values of the history's points."""
    with pictures.optuna_plots():
        figure = pictures.history(pictures.one_objective(study, index), "value")
        return [float(y) for scatter in figure.axes[0].collections for _, y in np.asarray(scatter.get_offsets())]


def test_a_value_far_away_is_drawn_where_it_is() -> None:
    study = study_of(12, far=True)
    values = [trial.value for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert FAR in values
    assert drawn(study) == values
    with pictures.optuna_plots():
        assert pictures.history(study, "val_loss").axes[0].get_yscale() == "log"
        assert pictures.history(study_of(12), "val_loss").axes[0].get_yscale() == "linear"


def test_one_of_two_objectives_is_drawn_as_it_is() -> None:
    study = two_objectives(10)
    assert drawn(study, 1) == [trial.values[1] for trial in study.trials]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 19.0], "linear"),
        ([1.0, 21.0], "log"),
        ([-1.0, 100.0], "linear"),
        ([0.0, 100.0], "linear"),
        ([], "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_positive_values_differ_by_magnitudes(values: list[float], scale: str) -> None:
    assert pictures.scale_of([*values, math.nan, math.inf]) == scale


def test_the_legend_of_the_curves_names_only_what_is_drawn() -> None:
    study = study_of(4)
    with pictures.optuna_plots():
        legend = pictures.curves(study, "val_loss").axes[0].get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["best", "pruned"], "no other trial is complete"
        axes = pictures.curves(study, "val_loss").axes[0]
        assert len(axes.lines) == 3, "of the failed trial there is none"


def test_slices_have_the_pruned_trials_at_their_last_values() -> None:
    study = study_of(12)
    with pictures.optuna_plots():
        axes = pictures.slices(study, "val_loss", ["train.lr", "model.kernel"]).axes
        (panel,) = [each for each in axes if each.get_xlabel() == "train.lr"]
        crosses = panel.collections[-1]
        found = sorted((float(x), float(y)) for x, y in np.asarray(crosses.get_offsets()))
    pruned = [(trial, value) for trial, value in last_values(study, 0) if trial.state == TrialState.PRUNED]
    assert len(pruned) == 3, "those whose value is NaN are left out"
    assert found == sorted((trial.params["train.lr"], value) for trial, value in pruned)
    low, high = panel.get_xlim()
    assert all(low < x < high for x, _ in found)


@pytest.mark.parametrize("count", [1, 4, 40])
def test_pictures_of_few_and_many_trials(tmp_path: Path, count: int) -> None:
    study = study_of(count, far=True)
    (tmp_path / "old.png").touch()
    files = pictures.draw(study, ["val_loss"], [importances(study, 0, "val_loss")], tmp_path)
    names = {path.stem for path in files}
    assert {path.stem for path in tmp_path.iterdir()} == names, "older pictures are removed"
    assert {"history", "curves"} <= names
    assert ("importances" in names) is (count == 40)
    assert ("slices" in names) is ("parallel_coordinates" in names) is (count == 40)
    assert plt.get_fignums() == []


def test_pictures_of_two_objectives(tmp_path: Path) -> None:
    study, metrics = two_objectives(12), ["val_accuracy", "parameters"]
    known = [importances(study, index, metric) for index, metric in enumerate(metrics)]
    names = {path.stem for path in pictures.draw(study, metrics, known, tmp_path)}
    kinds = ("history", "slices", "parallel_coordinates", "importances")
    assert names == {f"{kind}_{metric}" for kind in kinds for metric in metrics} | {"pareto_front"}


def test_the_pareto_front_has_the_numbers_of_its_trials() -> None:
    study = two_objectives(12)
    with pictures.optuna_plots():
        axes = pictures.pareto_front(study, ["val_accuracy", "parameters"]).axes[0]
    assert {text.get_text() for text in axes.texts} == {str(trial.number) for trial in study.best_trials}
    assert axes.get_yscale() == "log"


def test_importances_need_enough_trials_and_tell_how_many() -> None:
    assert importances(study_of(MIN_TRIALS), 0, "val_loss") is None, "failed ones and NaN do not count"
    known = importances(study_of(40), 0, "val_loss")
    assert known is not None
    assert known.source == "from 20 trials, 10 of them pruned, by their last value"
    assert next(iter(known.shares)) == "model.kernel"
    assert sum(known.shares.values()) == pytest.approx(1.0)


def test_the_number_of_parameters_does_not_depend_on_the_training() -> None:
    known = importances(two_objectives(12), 1, "parameters")
    assert known is not None
    assert list(known.left_out) == ["train.lr", "train.batch_size"]
    assert set(known.shares) == {"model.hidden", "model.kernel"}
