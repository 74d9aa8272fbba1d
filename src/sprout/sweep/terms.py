"""What a sweep runs by, as its supervisor takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from sprout.sweep.order import Order


@dataclass(frozen=True)
class Terms:
    """What a sweep runs by."""

    space: dict[str, BaseDistribution]
    """What is drawn."""
    sampler: Callable[[int], BaseSampler]
    """For a draw, which it takes the number of."""
    order: Callable[[int, dict[str, Any]], Order]
    """What a worker is told, from a trial's number and params; raises `UserError` where they do not fit."""
    epochs: Callable[[dict[str, Any]], int]
    """Of a training, at most, from a trial's params."""
    metric: str | None
    """The one that is sought, by which trials are pruned; None where there are several."""
    halving: bool
    """Whether trials wait at the rungs of successive halving; else the study's pruner ends them."""
    workers: int
    """How many there are at most."""
    threads: int
    """That each process of a trial has."""
    total: int
    """How many trials there shall be, complete or pruned."""
    deadline: float | None
    """On the monotonic clock; no trial begins after it."""
