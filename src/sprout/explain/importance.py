"""Which features of a table a model needs: permutation importance (Breiman, "Random forests", 2001)."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sprout.data.store import Array, Store, class_indices
from sprout.models.predictor import Predictor
from sprout.runtime.progress import track

REPEATS = 5
"""Shuffles of each feature."""
EXAMPLES = 1000
"""At most; the first ones."""


class Importance(NamedTuple):
    """By how much the mean error rises where the values of a feature are shuffled among the examples."""

    mean: Array
    """(F,) float64, over the shuffles; about 0 where the model does not need the feature."""
    std: Array
    """(F,) float64, of the shuffles."""


def permutation_importance(predictor: Predictor, store: Store, seed: int = 0) -> Importance | None:
    """Measure each feature of a table, by the error that the model's task defines for an example.

    None where the task defines none, or there is no example.
    """
    part = store.part(np.arange(min(EXAMPLES, len(store))))
    before = mean_error(predictor, part)
    if before is None:
        return None
    random, rows = np.random.default_rng(seed), part.take(np.arange(len(part)))
    rises = np.empty((rows.shape[1], REPEATS))
    for feature in track(range(rows.shape[1]), "importance of features", rows.shape[1]):
        for repeat in range(REPEATS):
            shuffled = rows.copy()
            shuffled[:, feature] = random.permutation(rows[:, feature])
            after = mean_error(predictor, replace(part, shard=[shuffled].__getitem__))
            assert after is not None
            rises[feature, repeat] = after - before
    return Importance(rises.mean(axis=1), rises.std(axis=1))


def mean_error(predictor: Predictor, store: Store) -> float | None:
    """The mean error on a small store; None where there is no error to speak of."""
    if not len(store):
        return None
    outputs, task = predictor.outputs(store.take(np.arange(len(store)))), predictor.task
    outcomes = task.outcomes(outputs, predictor.card, class_indices(store.columns("label")))
    found = task.errors(outcomes, predictor.card, store)
    return float(found.errors.mean()) if found is not None and len(found.errors) else None
