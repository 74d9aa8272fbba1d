"""Asynchronous successive halving: a trial waits at a rung until it is among the best of those that have reached it.

ASHA of Li et al., 2020 (https://arxiv.org/abs/1810.05934), which takes up a trial again, as nothing of it is lost;
Optuna's pruner of that name decides once and for all, with the few trials in view that there are so far. All follows
from what is in the study, so that it goes on after any kill.
"""

import math
from collections.abc import Collection, Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

SPACING, KEPT = 8, 5
"""The rungs are after 1, 8, 64, … epochs; one of so many goes past each. Figures stand in benchmarks/README.md."""


def rungs(epochs: int) -> Iterator[int]:
    """The rungs of a training of so many epochs."""
    rung = 1
    while rung < epochs:
        yield rung
        rung *= SPACING


def leaders(trials: Sequence[FrozenTrial], rung: int, *, maximize: bool) -> list[int]:
    """The numbers of those that go past a rung, best first: at least one. What failed is tried again, as another."""
    reached = [trial for trial in trials if rung in trial.intermediate_values and trial.state != TrialState.FAIL]
    values = {trial.number: trial.intermediate_values[rung] for trial in reached}
    finite = [number for number, value in values.items() if math.isfinite(value)]
    best = sorted(finite, key=values.__getitem__, reverse=maximize)
    return best[: max(1, len(reached) // KEPT)]


def next_past(trials: Sequence[FrozenTrial], waiting: Collection[int], *, maximize: bool) -> int | None:
    """The trial, of those that wait, to be taken up: one at the highest rung that is now among the best there."""
    reached = {number: max(trials[number].intermediate_values) for number in waiting}
    for rung in sorted(set(reached.values()), reverse=True):
        for number in leaders(trials, rung, maximize=maximize):
            if reached.get(number) == rung:
                return number
    return None
