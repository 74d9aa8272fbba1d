"""What trials are worth, the pruned ones too: their objective where they were left."""

import math
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True)
class Worth:
    """One trial."""

    trial: FrozenTrial
    value: float
    """Of one objective; of a pruned trial that after its last epoch."""


def worths(study: Study, index: int) -> list[Worth]:
    """Those of the complete trials, and of the pruned ones whose last value was a number; by their numbers."""
    found = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        if trial.state == TrialState.COMPLETE:
            found.append(Worth(trial, float(trial.values[index])))
        elif trial.intermediate_values and math.isfinite(
            value := trial.intermediate_values[max(trial.intermediate_values)]
        ):
            found.append(Worth(trial, value))
    return found
