"""Which examples are explained."""

import numpy as np

from sprout.data.store import Array, class_indices
from sprout.explain.subject import Subject


def chosen_examples(subject: Subject, wanted: int) -> Array:
    """Rows that the model is tested on, (n,) int64: the most confident mistakes, then as many that are right.

    Of a number that is predicted, the largest errors and the smallest. None where the task has no target.
    """
    if subject.has_classes:
        wrong, right = subject.mistakes, right_ones(subject)
    else:
        order = by_error(subject)
        half = len(order) // 2
        wrong, right = order[::-1][:half], order[: len(order) - half]
    first = wrong[: wanted // 2]
    return np.concatenate([first, right[: wanted - len(first)]])


def by_error(subject: Subject) -> Array:
    """The rows of examples by rising error: (n,) int64; none where the task has no target."""
    model = subject.model
    task = model.predictor.task
    found = task.errors(model.outcomes, model.predictor.card, model.tested.store) if task.target else None
    return np.empty(0, np.int64) if found is None else found.rows[np.argsort(found.errors, kind="stable")]


def right_ones(subject: Subject) -> Array:
    """The rows that the model gets right, (n,) int64: of each class the most confident one, then the second, …"""
    known = class_indices(subject.model.tested.store.columns("label"))
    right = np.flatnonzero(known == subject.predicted)
    right = right[np.argsort(-subject.confidence[right], kind="stable")]
    return right[np.lexsort((known[right], turns(known[right])))]


def turns(classes: Array) -> Array:
    """How many of its class came before each example: (n,) int → (n,) int64."""
    before = np.empty(len(classes), np.int64)
    for one in np.unique(classes):
        inside = classes == one
        before[inside] = np.arange(inside.sum())
    return before


def shares(sizes: list[int], wanted: int) -> list[int]:
    """How many of each group are taken so that `wanted` are in all: equally many, as far as the groups have them."""
    taken, left = [0] * len(sizes), wanted
    for done, place in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        taken[place] = min(sizes[place], left // (len(sizes) - done))
        left -= taken[place]
    return taken
