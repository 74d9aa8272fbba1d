"""Pictures of a study, as PNG files."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sprout.runtime.files import atomic_write
from sprout.sweep.scale import Scale
from sprout.sweep.space import last_words
from sprout.sweep.worth import Worth, worths

DPI = 130
WIDTH, HEIGHT, PANEL, BESIDE = 7.5, 4.5, 3.0, 4
"""In inches; and so many panels stand side by side."""
BEST, OTHER, FAINT = "tab:red", "tab:blue", "0.8"
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}


class Values:
    """One objective of the trials of a study."""

    def __init__(self, study: Study, index: int, metric: str) -> None:
        """Take the objective of that index."""
        self.metric, self.maximize = metric, study.directions[index] == StudyDirection.MAXIMIZE
        known = worths(study, index)
        self.complete = [worth for worth in known if worth.trial.state == TrialState.COMPLETE]
        self.pruned = [worth for worth in known if worth.trial.state == TrialState.PRUNED]
        self.best = (max if self.maximize else min)(self.complete, key=lambda worth: worth.value)
        found = [worth.value for worth in self.all]
        low, high = fences(found)
        # The good ones are looked for, however few they are.
        self.low, self.high = (low, max(found)) if self.maximize else (min(found), high)
        outliers = min(found) < self.low or max(found) > self.high
        self.label = f"{metric}, far ones at the edge" if outliers else metric

    @property
    def all(self) -> list[Worth]:
        """Those of all trials; what is drawn last lies on top."""
        return self.pruned + sorted(self.complete, key=lambda worth: worth.value, reverse=not self.maximize)

    def shown(self, value: float) -> float:
        """A value where it can be drawn beside the others."""
        if not math.isfinite(value):
            return self.low if self.maximize else self.high
        return float(min(max(value, self.low), self.high))


def fences(found: list[float]) -> tuple[float, float]:
    """The ends beyond which a value is far from the others (Tukey, 1977): a few failures shall not hide the rest."""
    quarter, three = np.quantile(found, [0.25, 0.75])
    reach = 1.5 * (three - quarter)
    return float(quarter - reach), float(three + reach)


def draw(study: Study, metrics: list[str], folder: Path, shares: list[dict[str, float]]) -> list[Path]:
    """Draw how the search went and what mattered.

    Args:
        study: with complete trials.
        metrics: its objectives.
        folder: where the files go; older ones are replaced.
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
        if len(metrics) == 1 and values.best.trial.intermediate_values:
            drawings["curves"] = curves(values)
    if len(metrics) == 2:
        complete = [worth.trial for worth in values.complete]
        drawings["pareto_front"] = pareto_front(complete, study.best_trials, metrics)
    folder.mkdir(parents=True, exist_ok=True)
    files = [save(figure, folder / f"{name}.png") for name, figure in drawings.items()]
    for path in {*folder.glob("*.png")} - {*files}:
        path.unlink()  # of an earlier sum
    return files


def save(figure: Figure, path: Path) -> Path:
    """Write a figure to a file."""
    with atomic_write(path) as beside:
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
    axes = axes_of("How the search went", xlabel="trial", ylabel=values.label)
    numbers, found = numbers_of(values.complete), [worth.value for worth in values.complete]
    best_so_far = (np.maximum if values.maximize else np.minimum).accumulate(found)
    last = max(numbers_of(values.all))  # the best one stands to the end
    line = [*map(values.shown, best_so_far), values.shown(best_so_far[-1])]
    axes.plot([*numbers, last], line, color=BEST, drawstyle="steps-post", label="best so far")
    axes.scatter(numbers, list(map(values.shown, found)), color=OTHER, zorder=2, label="complete")
    if values.pruned:
        left = [values.shown(worth.value) for worth in values.pruned]
        axes.scatter(numbers_of(values.pruned), left, color="0.6", marker="x", label="pruned, when it was left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure_of(axes)


def numbers_of(worths: list[Worth]) -> list[int]:
    """The numbers of trials."""
    return [worth.trial.number for worth in worths]


def curves(values: Values) -> Figure:
    """What each trial was worth after each epoch."""
    axes = axes_of("What each trial was worth after each epoch", xlabel="epoch", ylabel=values.label)
    styles = [(values.pruned, FAINT, "pruned"), (values.complete, OTHER, "complete"), ([values.best], BEST, "the best")]
    for group, colour, label in styles:
        for number, worth in enumerate(group):
            after = worth.trial.intermediate_values
            found = [values.shown(after[epoch]) for epoch in sorted(after)]
            marker = "" if len(after) > 1 else "."
            axes.plot(sorted(after), found, color=colour, marker=marker, label="" if number else label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure_of(axes)


def slices(values: Values) -> Figure:
    """The value of each trial by each of its settings."""
    paths = list(values.best.trial.params)
    columns = min(BESIDE, len(paths))
    rows = -(-len(paths) // columns)
    figure = Figure(figsize=(max(WIDTH, PANEL * columns), PANEL * rows), layout="constrained")
    panels = iter(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    found = [values.shown(worth.value) for worth in values.complete]
    for path, panel in zip(paths, panels, strict=False):
        scale = Scale(values.best.trial, path)
        for worth in values.pruned:
            panel.scatter(scale.place(worth.trial), values.shown(worth.value), color=FAINT, marker="x")
        places = [scale.place(worth.trial) for worth in values.complete]
        dots = panel.scatter(places, found, c=numbers_of(values.complete), cmap="Blues", edgecolor="0.4")
        panel.scatter(scale.place(values.best.trial), values.shown(values.best.value), color=BEST, marker="*", s=120)
        panel.set_xlabel(path)
        scale.mark(panel)
        panel.grid(alpha=0.3)
    for panel in panels:
        panel.set_visible(False)
    figure.supylabel(values.label)
    if values.pruned:
        figure.suptitle("x: pruned, with the value that it had then", fontsize="medium")
    figure.colorbar(dots, ax=figure.axes, label="trial", ticks=MaxNLocator(integer=True))
    return figure


def parallel_coordinates(values: Values) -> Figure:
    """A line for each trial through all of its settings, the brighter the better."""
    paths = list(values.best.trial.params)
    axes = axes_of(f"Which settings lead to which {values.metric}")
    figure_of(axes).set_size_inches(max(WIDTH, 1.6 * len(paths)), HEIGHT)
    axes.grid(visible=False)
    scales = [Scale(values.best.trial, path) for path in paths]
    found = [values.shown(worth.value) for worth in values.all]
    colours = ScalarMappable(Normalize(min(found), max(found)), "viridis" if values.maximize else "viridis_r")
    for worth in values.all:
        heights = [scale.share(worth.trial) for scale in scales]
        (colour,) = colours.to_rgba(np.array([values.shown(worth.value)]))
        style = ":" if worth.trial.state == TrialState.PRUNED else "-"
        axes.plot(range(len(paths)), heights, color=colour, alpha=0.8, linestyle=style)
    for number, scale in enumerate(scales):
        axes.axvline(number, color="0.3", linewidth=0.8)
        for height, text in scale.ends():
            axes.annotate(text, (number, height), (4, 0), "data", "offset points", va="center", fontsize=8, bbox=PAPER)
    short = last_words(paths)
    axes.set_xticks(range(len(paths)), [short[path] for path in paths], rotation=20 if len(paths) > 4 else 0)
    axes.set(yticks=[], ylim=(-0.08, 1.08), xlim=(-0.2, len(paths) - 0.5))
    if values.pruned:
        axes.set_xlabel("dotted: pruned, with the value that it had then")
    figure_of(axes).colorbar(colours, ax=axes, label=values.label)
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


def figure_of(axes: Axes) -> Figure:
    """The figure that axes stand in."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure
