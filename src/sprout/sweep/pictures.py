"""Pictures of a study as PNG files: Optuna's plots, with a logarithmic axis where values differ by magnitudes.

What differs from Optuna's plots, and why: its legend of the curves has an entry for each trial, in colours that repeat;
its slices leave pruned trials out; and parameters that have one value only cannot be scaled.
"""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import optuna
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.visualization import matplotlib as plots

from sprout.runtime.files import atomic_write
from sprout.sweep import trials
from sprout.sweep.importance import Importances, evaluator, last_values

DPI = 130
MAGNITUDES = 20
"""An axis is logarithmic where the largest value is more than this many times the smallest."""
CURVES = {"pruned": ("0.7", 1), "complete": ("tab:blue", 2), "best": ("tab:red", 3)}
"""Colour and z-order of a trial's curve."""


def draw(study: Study, metrics: list[str], known: list[Importances | None], folder: Path) -> list[Path]:
    """Draw the pictures of a study.

    Args:
        study: a study with complete trials.
        metrics: its objectives.
        known: the importances for each objective; None draws none.
        folder: takes the files; pictures of an earlier call are removed.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with optuna_plots():
        files = [save(figure, folder / f"{name}.png") for name, figure in figures(study, metrics, known)]
    for path in {*folder.glob("*.png")} - {*files}:
        path.unlink()
    return files


def figures(study: Study, metrics: list[str], known: list[Importances | None]) -> Iterator[tuple[str, Figure]]:
    """Yield each picture with its name."""
    for index, metric in enumerate(metrics):
        end = f"_{metric}" if len(metrics) > 1 else ""
        single = one_objective(study, index)
        yield f"history{end}", history(single, metric)
        if paths := varied(single):
            yield f"slices{end}", slices(single, metric, paths)
        if common := [path for path in paths if all(path in trial.params for trial in complete(single))]:
            yield f"parallel_coordinates{end}", parallel_coordinates(study, index, metric, common)
        if (importances := known[index]) is not None:
            yield f"importances{end}", importance_bars(importances)
    if len(metrics) == 1 and trials.best(study)[0].intermediate_values:
        yield "curves", curves(study, metrics[0])
    if len(metrics) == 2:
        yield "pareto_front", pareto_front(study, metrics)


@contextmanager
def optuna_plots() -> Iterator[None]:
    """Draw without a screen, and undo what Optuna's plots change for the whole process."""
    matplotlib.use("agg")
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            yield
        finally:
            plt.close("all")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure to a file."""
    with atomic_write(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, bbox_inches="tight")
    return path


def figure_of(axes: Axes) -> Figure:
    """Return the figure of axes."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure


def complete(study: Study) -> list[FrozenTrial]:
    """Return the complete trials."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def varied(study: Study) -> list[str]:
    """Return the parameters with more than one value among the complete trials."""
    found: dict[str, set[Any]] = {}
    for trial in complete(study):
        for path, value in trial.params.items():
            found.setdefault(path, set()).add(value)
    return [path for path, values in found.items() if len(values) > 1]


def scale_of(values: Iterable[float]) -> Literal["linear", "log"]:
    """Return the scale of an axis for values: logarithmic if they are positive and differ by magnitudes."""
    finite = [value for value in values if math.isfinite(value)]
    return "log" if finite and min(finite) > 0 and max(finite) > MAGNITUDES * min(finite) else "linear"


def one_objective(study: Study, index: int, *, logarithmic: bool = False) -> Study:
    """Return a copy of a study in memory with one of its objectives, or the base-10 logarithm of it."""
    copy = optuna.create_study(direction=study.directions[index])
    for trial in study.get_trials(deepcopy=False):
        state, value = trial.state, None
        if state == TrialState.COMPLETE:
            value = math.log10(trial.values[index]) if logarithmic else trial.values[index]
        elif state != TrialState.PRUNED:
            state = TrialState.FAIL  # takes its number and is not drawn
        copy.add_trial(
            create_trial(
                state=state,
                value=value,
                params=trial.params,
                distributions=trial.distributions,
                intermediate_values=trial.intermediate_values,
            )
        )
    return copy


def history(study: Study, metric: str) -> Figure:
    """Draw the value of each complete trial, and the best value so far."""
    axes = plots.plot_optimization_history(study, target_name=metric)
    for line in axes.lines:
        line.set_drawstyle("steps-post")
    scale = scale_of(trial.values[0] for trial in complete(study))
    axes.set(title="Value of each complete trial", xlabel="trial", yscale=scale)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure_of(axes)


def curves(study: Study, metric: str) -> Figure:
    """Draw the value of each trial after each epoch; the best, complete and pruned trials each have a colour."""
    axes, best = plots.plot_intermediate_values(study), trials.best(study)[0].number
    handles: dict[str, Line2D] = {}
    drawn: list[float] = []
    for line in axes.lines:
        number = int(str(line.get_label()).removeprefix("Trial"))
        kind = "best" if number == best else trials.by_number(study, number).state.name.lower()
        line.set(color=CURVES[kind][0], zorder=CURVES[kind][1])
        finite = [value for value in np.asarray(line.get_ydata(), float) if math.isfinite(value)]
        if finite:
            handles.setdefault(kind, line)
            drawn += finite
    axes.legend(list(handles.values()), list(handles))
    axes.set(title="Value after each epoch", xlabel="epoch", ylabel=metric, yscale=scale_of(drawn))
    axes.set_xlim(left=max(0.5, axes.get_xlim()[0]))  # epochs are counted from 1
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure_of(axes)


def slices(study: Study, metric: str, paths: list[str]) -> Figure:
    """Draw the value of each trial against each parameter, of pruned trials the last value."""
    values = last_values(study, 0)
    drawn = plots.plot_slice(study, paths, target_name=metric)
    panels = [drawn] if isinstance(drawn, Axes) else list(drawn)
    crosses = [each for panel in panels if (each := add_pruned(panel, values)) is not None]
    for panel in panels:
        panel.set_yscale(scale_of(value for _, value in values))
    figure = figure_of(panels[0])
    figure.suptitle("Value against each parameter")
    if crosses:
        figure.legend(crosses[:1], ["pruned, with its last value"], loc="upper center", bbox_to_anchor=(0.5, 0.0))
    return figure


def add_pruned(panel: Axes, values: list[tuple[FrozenTrial, float]]) -> Artist | None:
    """Add the pruned trials to one panel of the slices; return what is drawn, None if there are none."""
    path = panel.get_xlabel()
    places, heights = [], []
    for trial, value in values:
        if trial.state == TrialState.PRUNED and path in trial.params:
            categorical = isinstance(trial.distributions[path], CategoricalDistribution)
            places.append(
                repr(trial.params[path]) if categorical else trial.params[path]
            )  # categories as Optuna has them
            heights.append(value)
    if not places:
        return None
    crosses = panel.scatter(places, heights, color="0.55", marker="x", linewidths=1.0, zorder=0.5)
    panel.autoscale(axis="x")
    return crosses


def parallel_coordinates(study: Study, index: int, metric: str, paths: list[str]) -> Figure:
    """Draw a line for each complete trial through its value and its params."""
    count = len(complete(study))
    logarithmic = scale_of(trial.values[index] for trial in complete(study)) == "log"
    name = f"log10 of {metric}" if logarithmic else metric
    axes = plots.plot_parallel_coordinate(one_objective(study, index, logarithmic=logarithmic), paths, target_name=name)
    axes.set_title(f"Value and parameters of the {count} complete trials", y=1.03)
    figure = figure_of(axes)
    figure.set_size_inches(2.0 * (len(paths) + 1), 5.0)
    for each in figure.axes:
        each.grid(visible=False)
    return figure


def importance_bars(known: Importances) -> Figure:
    """Draw the importance of each parameter for one objective."""
    axes = plots.plot_param_importances(
        known.study, evaluator=evaluator(), params=list(known.shares), target_name=known.metric
    )
    axes.set_title(f"Importance for {known.metric}, {known.source}", loc="left", fontsize="medium")
    axes.set(xlabel="share of the variance that the parameter explains", ylabel="")
    if legend := axes.get_legend():
        legend.remove()
    return figure_of(axes)


def pareto_front(study: Study, metrics: list[str]) -> Figure:
    """Draw two objectives against each other; the trials of the Pareto front have their numbers."""
    axes = plots.plot_pareto_front(study, target_names=metrics)
    scatters = dict(zip(["dominated", "Pareto front"][-len(axes.collections) :], axes.collections, strict=True))
    axes.legend(list(scatters.values()), list(scatters))
    first, second = zip(*(trial.values for trial in complete(study)), strict=True)
    axes.set(title="Pareto front, with the numbers of its trials", xscale=scale_of(first), yscale=scale_of(second))
    for trial in study.best_trials:
        axes.annotate(str(trial.number), (trial.values[0], trial.values[1]), (4, 4), "data", "offset points")
    return figure_of(axes)
