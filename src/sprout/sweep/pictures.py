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
    "importances": drawn.plot_param_importances,
    "parallel_coordinates": drawn.plot_parallel_coordinate,
    "slices": drawn.plot_slice,
}


def draw(study: Study, metrics: list[str], folder: Path, importances: bool) -> list[Path]:
    """Draw how the search went and what mattered.

    Args:
        study: with complete trials.
        metrics: its objectives.
        folder: where the files go; older ones of the same names are replaced.
        importances: whether it is known how much each parameter mattered.

    Returns:
        the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = PLOTS if importances else {name: plot for name, plot in PLOTS.items() if name != "importances"}
    files = []
    with quiet():
        for index, metric in enumerate(metrics):
            target = of(index) if len(metrics) > 1 else None
            end = f"_{metric}" if len(metrics) > 1 else ""
            for name, plot in kinds.items():
                files.append(save(plot(study, target=target, target_name=metric), folder / f"{name}{end}.png"))
        if any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
            files.append(save(drawn.plot_intermediate_values(study), folder / "curves.png"))
        if len(metrics) == 2:
            files.append(save(drawn.plot_pareto_front(study, target_names=metrics), folder / "pareto_front.png"))
    return files


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
