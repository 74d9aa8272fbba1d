"""Pictures of a study, as PNG files."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.visualization import matplotlib as drawn

from sprout.core.atomic import whole_file

DPI = 130
SIZE, WIDTH_OF_AXES = (7.0, 4.5), 1.6
"""In inches."""
PLOTS: dict[str, Callable[..., Any]] = {
    "history": drawn.plot_optimization_history,
    "parallel_coordinates": drawn.plot_parallel_coordinate,
    "slices": drawn.plot_slice,
}


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
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with quiet():
        for index, metric in enumerate(metrics):
            target = of(index) if len(metrics) > 1 else None
            end = f"_{metric}" if len(metrics) > 1 else ""
            for name, plot in PLOTS.items():
                files.append(save(plot(study, target=target, target_name=metric), folder / f"{name}{end}.png"))
            if shares[index]:
                files.append(save(bars(shares[index], metric), folder / f"importances{end}.png"))
        if any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
            files.append(save(drawn.plot_intermediate_values(study), folder / "curves.png"))
        if len(metrics) == 2:
            files.append(save(drawn.plot_pareto_front(study, target_names=metrics), folder / "pareto_front.png"))
    return files


def bars(shares: dict[str, float], metric: str) -> Any:
    """How much each parameter mattered, the most on top."""
    axes = plt.figure().subplots()
    paths = list(shares)[::-1]
    drawn_bars = axes.barh(paths, [shares[path] for path in paths])
    axes.bar_label(drawn_bars, [f"{shares[path]:.0%}" for path in paths], padding=3)
    axes.set(title="What mattered", xlabel=f"share of the spread of {metric} that it explains")
    axes.margins(x=0.1)
    return axes


def of(index: int) -> Callable[[Any], float]:
    """The value of one of several objectives."""
    return lambda trial: float(trial.values[index])


def save(drawing: Any, path: Path) -> Path:
    """Write a drawing's figure to a file, wide enough for its parameters."""
    axes = np.atleast_1d(np.asarray(drawing, dtype=object))
    figure = axes.flat[0].figure
    figure.set_size_inches(max(SIZE[0], WIDTH_OF_AXES * len(figure.axes)), SIZE[1])
    if len(axes) > 1:
        for each in axes:
            each.tick_params("x", labelrotation=60)
    with whole_file(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    return path


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna calls these plots experimental; and there is no screen to draw on."""
    matplotlib.use("agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        warnings.filterwarnings("ignore", ".*identical low and high.*")  # all trials have the same value
        yield
