"""What a sweep has found: the best settings, how much each parameter mattered, and pictures."""

import os
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, create_trial
from rich.table import Table

from sprout.sweep import trials
from sprout.sweep.pictures import draw
from sprout.sweep.results import kept_result
from sprout.sweep.space import last_words, told
from sprout.sweep.worth import worths

FEWEST = 4
"""Trials, of different values, before it can be said what mattered."""


def conclude(study: Study, metrics: list[str], place: Path, results: Path) -> tuple[list[Table | str], list[Path]]:
    """Sum up a study.

    Args:
        study: the study.
        metrics: its objectives.
        place: the folder that pictures go to.
        results: the folder of results.

    Returns:
        what is said, and the pictures.
    """
    best = trials.best(study)
    if not best:
        return ["no trial is complete yet"], []
    shares = [importances(study, index) for index in range(len(metrics))]
    pictures = draw(study, metrics, place, shares)
    title = "the best settings" if len(metrics) == 1 else f"the {len(best)} best compromises"
    said: list[Table | str] = [title, best_table(best, metrics, results)]
    for metric, share in zip(metrics, shares, strict=True):
        said += [f"what mattered for {metric}", importance_table(share)] if share else []
    return [*said, f"pictures: {os.path.relpath(place)}"], pictures


def importances(study: Study, index: int) -> dict[str, float]:
    """How much of the spread of an objective each parameter explains (fANOVA: Hutter et al., 2014); empty where
    too few trials are known. A pruned one counts with its last value: of the complete ones alone, where many are
    pruned, one would learn what matters among the best.
    """
    known = worths(study, index)
    if len(known) < FEWEST or len({worth.value for worth in known}) == 1:
        return {}
    judged = optuna.create_study()
    for worth in known:
        params, distributions = worth.trial.params, worth.trial.distributions
        judged.add_trial(create_trial(params=params, distributions=distributions, value=worth.value))
    try:
        return get_param_importances(judged, evaluator=FanovaImportanceEvaluator(seed=0))
    except RuntimeError:  # the values hardly differ
        return {}


def best_table(best: list[FrozenTrial], metrics: list[str], results: Path) -> Table:
    """The best trial; with several objectives, each that is the best compromise in its way."""
    words = last_words(best[0].params)
    table = Table("trial", *metrics, *words.values(), box=None)
    for trial in best:
        table.add_row(
            str(trial.number), *figures(trial, results), *(told(trial.params[path]) for path in best[0].params)
        )
    return table


def figures(trial: FrozenTrial, results: Path) -> Iterator[str]:
    """Each objective's value, with its spread over the seeds."""
    result = kept_result(results, trial.number)
    for index, value in enumerate(trial.values):
        each = [values[index] for values in result.each] if result else []
        spread = f" ({min(each):.5g} to {max(each):.5g}, {len(each)} seeds)" if len(each) > 1 else ""
        yield f"{value:.5g}{spread}"


def importance_table(shares: dict[str, float]) -> Table:
    """How much each parameter mattered, most first."""
    table = Table("parameter", "share", box=None)
    for path, share in shares.items():
        table.add_row(path, f"{share:.0%}")
    return table
