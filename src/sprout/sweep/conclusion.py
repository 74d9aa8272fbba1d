"""The summary of a sweep: the best settings, the importance of each parameter, and pictures; also for its run."""

import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from optuna.distributions import CategoricalDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from sprout.sweep import trials
from sprout.sweep.importance import MIN_TRIALS, Importances, importances
from sprout.sweep.pictures import draw
from sprout.sweep.results import kept_result
from sprout.sweep.space import format_value, short_names
from sprout.tracking import Run


def conclude(study: Study, metrics: list[str], folder: Path, results: Path) -> tuple[list[Table | str], list[Path]]:
    """Summarize a study.

    Args:
        study: the study.
        metrics: its objectives.
        folder: takes the pictures.
        results: the folder of results.

    Returns:
        What to print, and the pictures.
    """
    best = trials.best(study)
    if not best:
        return ["no trial is complete yet"], []
    known = [importances(study, index, metric) for index, metric in enumerate(metrics)]
    pictures = draw(study, metrics, known, folder)
    title = "the best settings" if len(metrics) == 1 else f"the Pareto front, {len(best)} trials"
    printed: list[Table | str] = [title, best_table(best, metrics, results)]
    printed += uncompared(study)
    for metric, each in zip(metrics, known, strict=True):
        printed += importance_lines(metric, each)
    return [*printed, f"pictures: {os.path.relpath(folder)}"], pictures


def best_table(best: list[FrozenTrial], metrics: list[str], results: Path) -> Table:
    """Return the table of the best trial, or of the Pareto front."""
    names = short_names(dict.fromkeys(path for trial in best for path in trial.params))
    table = Table("trial", *metrics, *names.values(), box=None)
    for trial in best:
        settings = (format_value(trial.params[path]) if path in trial.params else "" for path in names)
        table.add_row(str(trial.number), *objective_cells(trial, results), *settings)
    return table


def objective_cells(trial: FrozenTrial, results: Path) -> Iterator[str]:
    """Yield the value of each objective, with its range over the seeds."""
    result = kept_result(results, trial.number)
    for index, value in enumerate(trial.values):
        each = [values[index] for values in result.each] if result else []
        spread = f" ({min(each):.5g} to {max(each):.5g}, {len(each)} seeds)" if len(each) > 1 else ""
        yield f"{value:.5g}{spread}"


def uncompared(study: Study) -> Iterator[str]:
    """Yield a line for each parameter with choices that have not been compared: no trial with them is complete."""
    drawn = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
    choices = {
        path: distribution.choices
        for trial in drawn
        for path, distribution in trial.distributions.items()
        if isinstance(distribution, CategoricalDistribution)
    }
    for path, known in choices.items():
        states: dict[str, list[TrialState]] = {format_value(choice): [] for choice in known}
        for trial in drawn:
            if path in trial.params:
                states[format_value(trial.params[path])].append(trial.state)
        missing = [
            f"{choice}: 0 of {len(ended)} finished"
            for choice, ended in states.items()
            if TrialState.COMPLETE not in ended
        ]
        if missing:
            yield f"not compared yet, {path}: {', '.join(missing)}"


def importance_lines(metric: str, known: Importances | None) -> list[Table | str]:
    """Return the importances for one objective, or why there are none."""
    if known is None:
        return [f"importance for {metric}: needs {MIN_TRIALS} trials whose values differ"]
    table = Table("parameter", "importance", box=None)
    for path, share in known.shares.items():
        table.add_row(path, f"{share:.0%}")
    for path, why in known.left_out.items():
        table.add_row(path, f"none: {why}")
    return [f"importance for {metric}, {known.source}", table]


def log(tracked: Run, study: Study, metrics: list[str], pictures: list[Path]) -> None:
    """Log the pictures, the best value after each trial and the numbers of trials to the sweep's run; describe it."""
    for picture in pictures:
        tracked.log_artifact(picture, "pictures")
    done = trials.done(study)
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if len(metrics) == 1:
        better = max if study.direction == StudyDirection.MAXIMIZE else min
        best_so_far = accumulate((trial.values[0] for trial in complete), better)
        for trial, best in zip(complete, best_so_far, strict=True):
            tracked.log_metrics({f"trial/best_{metrics[0]}": best}, step=trial.number)
        for trial in trials.best(study):
            # Named as trainings name it, so that a list of runs has one column for both.
            tracked.log_metrics({metrics[0]: trial.values[0]})
    tracked.describe("\n\n".join(described(trial, metrics) for trial in trials.best(study)) or "no trial is complete")
    tracked.log_metrics({"trials": len(done), "pruned": len(done) - len(complete)})


def values_of_trial(trial: FrozenTrial, metrics: list[str]) -> str:
    """Return the values of a trial with their names."""
    return ", ".join(f"{metric} {value:.5g}" for metric, value in zip(metrics, trial.values, strict=True))


def described(trial: FrozenTrial, metrics: list[str]) -> str:
    """Return value, number and settings of a trial in one line."""
    settings = " ".join(f"{key}={value}" for key, value in trial.params.items())
    return f"best {values_of_trial(trial, metrics)}, trial {trial.number}: {settings}"
