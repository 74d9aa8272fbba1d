"""Optuna's samplers and pruners, by their names in the config section."""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

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


class PowersOfTwo(BaseSampler):
    """Another sampler, of some of whose integers only powers of two are taken.

    The study holds the powers themselves, on a logarithmic scale, so that the sampler learns from them, and that tables
    and pictures show them.
    """

    def __init__(self, sampler: BaseSampler, bounds: Mapping[str, tuple[int, int]]) -> None:
        """Create a sampler.

        Args:
            sampler: it draws.
            bounds: lower and upper bound, themselves powers of two, of the parameters with powers of two.
        """
        self.sampler, self.bounds = sampler, bounds

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return what the other sampler draws together."""
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw parameters together."""
        drawn = self.sampler.sample_relative(study, trial, search_space)
        return {name: self.taken(name, value) for name, value in drawn.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter."""
        return self.taken(param_name, self.sampler.sample_independent(study, trial, param_name, param_distribution))

    def taken(self, name: str, value: Any) -> Any:
        """Return the power for a drawn number: equal parts of the logarithmic scale have one each."""
        if name not in self.bounds:
            return value
        low, high = (bound.bit_length() - 1 for bound in self.bounds[name])
        powers = high - low + 1
        return 2 ** (low + min(powers - 1, int((math.log2(value) - low) / (high - low) * powers)))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the other sampler that a trial begins."""
        self.sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the other sampler that a trial has ended."""
        self.sampler.after_trial(study, trial, state, values)


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
