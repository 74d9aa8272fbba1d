"""How much each parameter matters for an objective, from the trials that have a value."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from sprout.sweep.objective import PARAMETERS

if TYPE_CHECKING:
    from optuna.importance import FanovaImportanceEvaluator

MIN_TRIALS = 10
"""With fewer trials no importance is given."""


@dataclass(frozen=True)
class Importances:
    """The importances of the parameters for one objective."""

    metric: str
    study: Study
    """The trials that were used, as complete ones of a study in memory with one objective."""
    shares: dict[str, float]
    """Share of the variance of the objective that each parameter explains, largest first; the sum is 1."""
    pruned: int
    """How many of the trials were pruned."""
    left_out: dict[str, str]
    """Parameters without an importance, and why they have none."""

    @property
    def source(self) -> str:
        """What they were taken from, as a phrase."""
        pruned = f", {self.pruned} of them pruned, by their last value" if self.pruned else ""
        return f"from {len(self.study.trials)} trials{pruned}"


def importances(study: Study, index: int, metric: str) -> Importances | None:
    """Return the importances for one objective by fANOVA (Hutter et al., 2014); None if there are too few trials.

    A pruned trial counts with its last value: complete trials alone are mostly good ones and would only show what
    matters among these.

    Args:
        study: the study.
        index: of the objective.
        metric: its name.
    """
    values = last_values(study, index)
    left_out = {path: why for path in study_params(study) if (why := why_left_out(path, metric, values))}
    paths = [path for path in study_params(study) if path not in left_out]
    if len(values) < MIN_TRIALS or len({value for _, value in values}) == 1 or not paths:
        return None
    from optuna.importance import get_param_importances  # imports scikit-learn, which takes two seconds

    used = optuna.create_study(direction=study.directions[index])
    used.add_trials(
        [create_trial(params=each.params, distributions=each.distributions, value=value) for each, value in values]
    )
    try:
        shares = get_param_importances(used, evaluator=evaluator(), params=paths)
    except RuntimeError:  # the values hardly differ
        return None
    pruned = sum(trial.state == TrialState.PRUNED for trial, _ in values)
    return Importances(metric, used, shares, pruned, left_out)


def evaluator() -> "FanovaImportanceEvaluator":
    """Return fANOVA with a fixed seed."""
    from optuna.importance import FanovaImportanceEvaluator

    return FanovaImportanceEvaluator(seed=0)


def last_values(study: Study, index: int) -> list[tuple[FrozenTrial, float]]:
    """Return the trials with a value of an objective, by number: complete ones, and pruned ones with their last value.

    Values of pruned trials that are NaN or infinite are left out.
    """
    found = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        if trial.state == TrialState.COMPLETE:
            found.append((trial, float(trial.values[index])))
        elif trial.last_step is not None and math.isfinite(value := trial.intermediate_values[trial.last_step]):
            found.append((trial, value))
    return found


def study_params(study: Study) -> list[str]:
    """Return the searched parameters. A trial lacks those whose condition it does not meet."""
    return list(dict.fromkeys(path for trial in study.get_trials(deepcopy=False) for path in trial.params))


def why_left_out(path: str, metric: str, values: list[tuple[FrozenTrial, float]]) -> str | None:
    """Return why a parameter has no importance: it cannot change the objective, or only some trials have it."""
    if not can_affect(path, metric):
        return f"{metric} does not depend on it"
    having = sum(path in trial.params for trial, _ in values)
    return f"drawn in {having} of {len(values)} trials" if having < len(values) else None


def can_affect(path: str, metric: str) -> bool:
    """Return whether a setting can change an objective: only the model decides how many parameters it has."""
    return metric != PARAMETERS or path.split(".")[0] == "model"
