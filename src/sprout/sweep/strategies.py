"""Optuna's samplers and pruners by the names that the section has for them."""

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

REDUCTION = 4
"""Of Hyperband: one of so many trials goes on at each rung."""
SMALLEST_GENERATION, LARGEST_GENERATION = 8, 50


def make_sampler(name: str, seed: int, trials: int, workers: int) -> BaseSampler:
    """A sampler for one draw: beside its seed it knows what is in the study, so that a sweep goes on as it would have.

    Args:
        name: tpe, random or nsga2.
        seed: of this draw.
        trials: how many there will be.
        workers: how many trials run at once.
    """
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "nsga2":
        population = min(LARGEST_GENERATION, max(SMALLEST_GENERATION, trials // 5))
        return NSGAIISampler(seed=seed, population_size=population)
    # Of several objectives it takes those that run for bad ones, lest all be alike; of one, see `trials.estimated`.
    return TPESampler(seed=seed, constant_liar=workers > 1)


def make_pruner(name: str, epochs: int) -> BasePruner:
    """A pruner of trials of so many epochs; its steps count from 1.

    Args:
        name: successive_halving, which has trials wait instead (`halving.py`), hyperband, median or none.
        epochs: of a trial, at most.
    """
    match name:
        case "hyperband":
            return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=REDUCTION)
        case "median":
            return MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        case _:
            return NopPruner()
