"""Pictures of a study, as PNG files."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sprout.core.atomic import whole_file
from sprout.sweep.space import last_words, told

DPI = 130
WIDTH, HEIGHT, PANEL, BESIDE = 7.5, 4.5, 3.0, 4
"""In inches; and so many panels stand side by side."""
LETTERS = 16
"""That the choices of a panel may have, to stand side by side."""
BEST, OTHER, FAINT = "tab:red", "tab:blue", "0.8"
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}


class Values:
    """One objective of the trials of a study."""

    def __init__(self, study: Study, index: int, metric: str) -> None:
        """Take the objective of that index."""
        known = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        self.index, self.metric = index, metric
        self.maximize = study.directions[index] == StudyDirection.MAXIMIZE
        self.complete = [trial for trial in known if trial.state == TrialState.COMPLETE]
        self.pruned = [trial for trial in known if trial.state == TrialState.PRUNED and trial.intermediate_values]
        self.best = (max if self.maximize else min)(self.complete, key=self.of)

    def of(self, trial: FrozenTrial) -> float:
        """Of a complete trial."""
        return float(trial.values[self.index])

    @property
    def worst_first(self) -> list[FrozenTrial]:
        """The complete trials; what is drawn last lies on top."""
        return sorted(self.complete, key=self.of, reverse=not self.maximize)


def draw(study: Study, metrics: list[str], folder: Path, shares: list[dict[str, float]]) -> list[Path]:
    """Draw how the search went and what mattered.

    Args:
        study: with complete trials.
        metrics: its objectives.
        folder: where the files go; older ones of the same names are replaced.
        shares: how much each parameter mattered, for each objective; empty where that is not known.

    Returns:
        the files.
    """
    drawings: dict[str, Figure] = {}
    for index, metric in enumerate(metrics):
        values, end = Values(study, index, metric), f"_{metric}" if len(metrics) > 1 else ""
        drawings[f"history{end}"] = history(values)
        drawings[f"slices{end}"] = slices(values)
        drawings[f"parallel_coordinates{end}"] = parallel_coordinates(values)
        if shares[index]:
            drawings[f"importances{end}"] = importances(shares[index], metric)
        if len(metrics) == 1 and any(trial.intermediate_values for trial in values.complete):
            drawings["curves"] = curves(values)
    if len(metrics) == 2:
        drawings["pareto_front"] = pareto_front(values.complete, study.best_trials, metrics)
    folder.mkdir(parents=True, exist_ok=True)
    return [save(figure, folder / f"{name}.png") for name, figure in drawings.items()]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure to a file."""
    with whole_file(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, bbox_inches="tight")
    return path


def axes_of(title: str, **labels: str) -> Axes:
    """The axes of a figure that has one."""
    axes = Figure(figsize=(WIDTH, HEIGHT)).subplots()
    axes.set(title=title, **labels)
    axes.grid(alpha=0.3)
    return axes


def history(values: Values) -> Figure:
    """The value of each trial, and the best one so far."""
    axes = axes_of("How the search went", xlabel="trial", ylabel=values.metric)
    numbers, found = [trial.number for trial in values.complete], [values.of(trial) for trial in values.complete]
    best_so_far = (np.maximum if values.maximize else np.minimum).accumulate(found)
    axes.plot(numbers, best_so_far, color=BEST, drawstyle="steps-post", label="best so far")
    axes.scatter(numbers, found, color=OTHER, zorder=2, label="complete")
    if len(values.complete[0].values) == 1 and values.pruned:
        last = [trial.intermediate_values[max(trial.intermediate_values)] for trial in values.pruned]
        axes.scatter([trial.number for trial in values.pruned], last, color="0.6", marker="x", label="pruned, its last")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure_of(axes)


def curves(values: Values) -> Figure:
    """What each trial was worth after each epoch."""
    axes = axes_of("What each trial was worth after each epoch", xlabel="epoch", ylabel=values.metric)
    styles = [(values.pruned, FAINT, "pruned"), (values.complete, OTHER, "complete"), ([values.best], BEST, "the best")]
    for trials, colour, label in styles:
        for number, trial in enumerate(trials):
            epochs, found = (
                zip(*sorted(trial.intermediate_values.items()), strict=True) if trial.intermediate_values else ((), ())
            )
            axes.plot(epochs, found, color=colour, marker="." if len(epochs) < 3 else "", label="" if number else label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure_of(axes)


def slices(values: Values) -> Figure:
    """The value of each trial by each of its settings."""
    paths = list(values.best.params)
    columns = min(BESIDE, len(paths))
    rows = -(-len(paths) // columns)
    figure = Figure(figsize=(max(WIDTH, PANEL * columns), PANEL * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for panel, path in zip(panels, paths, strict=False):
        scale = Scale(values.complete, path)
        numbers = [trial.number for trial in values.complete]
        found = [values.of(trial) for trial in values.complete]
        dots = panel.scatter([scale.place(t) for t in values.complete], found, c=numbers, cmap="Blues", edgecolor="0.4")
        panel.scatter(scale.place(values.best), values.of(values.best), color=BEST, marker="*", s=120)
        panel.set_xlabel(path)
        scale.mark(panel)
        panel.grid(alpha=0.3)
    for panel in list(panels):
        panel.set_visible(False)
    figure.supylabel(values.metric)
    figure.colorbar(dots, ax=figure.axes, label="trial", ticks=MaxNLocator(integer=True))
    return figure


def parallel_coordinates(values: Values) -> Figure:
    """A line for each trial through all of its settings, the brighter the better."""
    paths = list(values.best.params)
    axes = axes_of(f"Which settings lead to which {values.metric}")
    figure_of(axes).set_size_inches(max(WIDTH, 1.6 * len(paths)), HEIGHT)
    axes.grid(visible=False)
    scales = [Scale(values.complete, path) for path in paths]
    found = [values.of(trial) for trial in values.complete]
    colours = ScalarMappable(Normalize(min(found), max(found)), "viridis" if values.maximize else "viridis_r")
    for trial in values.worst_first:
        heights = [scale.share(trial) for scale in scales]
        (colour,) = colours.to_rgba(np.array([values.of(trial)]))
        axes.plot(range(len(paths)), heights, color=colour, alpha=0.8)
    for number, scale in enumerate(scales):
        axes.axvline(number, color="0.3", linewidth=0.8)
        for height, text in scale.ends():
            axes.annotate(text, (number, height), (4, 0), "data", "offset points", va="center", fontsize=8, bbox=PAPER)
    short = last_words(paths)
    axes.set_xticks(range(len(paths)), [short[path] for path in paths], rotation=20 if len(paths) > 4 else 0)
    axes.set(yticks=[], ylim=(-0.08, 1.08), xlim=(-0.2, len(paths) - 0.5))
    figure_of(axes).colorbar(colours, ax=axes, label=values.metric)
    return figure_of(axes)


def importances(shares: dict[str, float], metric: str) -> Figure:
    """How much each parameter mattered, the most on top."""
    axes = axes_of("What mattered", xlabel=f"share of the spread of {metric} that it explains")
    paths = list(shares)[::-1]
    bars = axes.barh(paths, [shares[path] for path in paths], zorder=2)
    axes.bar_label(bars, [f"{shares[path]:.0%}" for path in paths], padding=3)
    axes.margins(x=0.1)
    return figure_of(axes)


def pareto_front(complete: list[FrozenTrial], front: list[FrozenTrial], metrics: list[str]) -> Figure:
    """Two objectives, and the trials that none beats in both, by their numbers."""
    axes = axes_of("The best compromises, and their trials", xlabel=metrics[1], ylabel=metrics[0])
    second, first = ([trial.values[index] for trial in complete] for index in (1, 0))
    axes.scatter(second, first, color=FAINT, edgecolor="0.6")
    best = sorted(front, key=lambda trial: trial.values[1])
    axes.plot([t.values[1] for t in best], [t.values[0] for t in best], color=BEST, marker="o", drawstyle="steps-post")
    for trial in best:
        axes.annotate(str(trial.number), (trial.values[1], trial.values[0]), (4, 4), "data", "offset points")
    if min(second) > 0 and max(second) > 20 * min(second):
        axes.set_xscale("log")
    return figure_of(axes)


class Scale:
    """Where the values of one parameter stand on an axis."""

    def __init__(self, trials: list[FrozenTrial], path: str) -> None:
        """Take the parameter of that path, of trials that have it."""
        self.path = path
        distribution: Any = trials[0].distributions[path]
        self.choices = list(distribution.choices) if isinstance(distribution, CategoricalDistribution) else None
        self.log = bool(getattr(distribution, "log", False))
        self.whole = isinstance(distribution, IntDistribution)
        self.low: float = 0 if self.choices is not None else distribution.low
        self.high: float = len(self.choices) - 1 if self.choices is not None else distribution.high

    def place(self, trial: FrozenTrial) -> float:
        """Of a trial's value, in the axis's own unit."""
        value = trial.params[self.path]
        return float(value if self.choices is None else self.choices.index(value))

    def share(self, trial: FrozenTrial) -> float:
        """The same between 0 and 1."""
        ends = (self.low, self.high, self.place(trial))
        low, high, here = map(math.log, ends) if self.log else ends
        return float((here - low) / (high - low))

    def ends(self) -> list[tuple[float, str]]:
        """What stands at which height between 0 and 1."""
        if self.choices is None:
            return [(0.0, f"{self.low:.4g}"), (1.0, f"{self.high:.4g}")]
        return [(number / self.high, told(choice)) for number, choice in enumerate(self.choices)]

    def mark(self, axes: Axes) -> None:
        """Mark the axis."""
        if self.choices is not None:
            labels = [told(choice) for choice in self.choices]
            slanted = sum(map(len, labels)) > LETTERS
            axes.set_xticks(
                range(len(labels)), labels, rotation=60 if slanted else 0, ha="right" if slanted else "center"
            )
        elif self.log:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=self.whole))


def figure_of(axes: Axes) -> Figure:
    """The figure that axes stand in."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure
