"""Optuna's samplers and pruners, by their names in the config section."""

from copy import copy

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

SPACING, KEEP_ONE_OF = 8, 4
"""Successive halving has rungs after 1, 8, 64, … epochs and keeps a quarter at each; benchmarks/README.md has other
choices."""
HYPERBAND_FACTOR = 4
"""Hyperband keeps one of this many trials at each rung."""
SMALLEST_GENERATION, LARGEST_GENERATION = 8, 50


def make_sampler(name: str, seed: int, trials: int, workers: int) -> BaseSampler:
    """Return a sampler for one draw.

    All it knows is its seed and the study, so that a sweep that is ended and resumed draws the same trials.

    Args:
        name: tpe, random or nsga2.
        seed: of this draw.
        trials: the total of trials.
        workers: trials that run at the same time.
    """
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "nsga2":
        population = min(LARGEST_GENERATION, max(SMALLEST_GENERATION, trials // 5))
        return NSGAIISampler(seed=seed, population_size=population)
    # The constant liar counts running trials as bad ones, so that workers do not draw the same settings.
    return TPESampler(seed=seed, constant_liar=workers > 1)


def make_pruner(name: str, epochs: int) -> BasePruner:
    """Return a pruner; its steps are epochs, counted from 1.

    Args:
        name: successive_halving, hyperband, median or none.
        epochs: of a full training.
    """
    match name:
        case "successive_halving":
            return SpacedHalvingPruner()
        case "hyperband":
            return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=HYPERBAND_FACTOR)
        case "median":
            return MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        case _:
            return NopPruner()


class SpacedHalvingPruner(BasePruner):
    """Optuna's `SuccessiveHalvingPruner` with rungs further apart than the share that it keeps.

    There one number is both: rungs at 1, 8, 64 would keep an eighth, which loses twice as much of the best value. Here
    the rung at `SPACING` ** i is shown to it as its own rung at `KEEP_ONE_OF` ** i.
    """

    def __init__(self) -> None:
        self.pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=KEEP_ONE_OF)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial ends after its last reported epoch."""
        epoch = trial.last_step
        index = None if epoch is None else rung_index(epoch)
        if epoch is None or index is None:
            return False
        shown = copy(trial)
        shown.intermediate_values = {KEEP_ONE_OF**index: trial.intermediate_values[epoch]}
        return self.pruner.prune(study, shown)


def rung_index(epoch: int) -> int | None:
    """Return which rung an epoch is, from 0; None if it is none."""
    index = 0
    while SPACING**index < epoch:
        index += 1
    return index if SPACING**index == epoch else None
