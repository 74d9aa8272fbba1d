"""The folds of cross-validation over the labelled training examples."""

import numpy as np

from sprout.data.listing import Array
from sprout.data.prepare.groups import draw, proportional_quotas
from sprout.runtime.errors import UserError


def assign_folds(rows: Array, strata: Array, groups: Array, folds: int, seed: int) -> Array:
    """The fold of each row, from 0, stratified as the splits are: (n,) int16. Examples of one group share a fold.

    Args:
        rows: (n,) the labelled training examples, ascending.
        strata: (N,) what the folds are stratified by.
        groups: (N,) each row's group.
        folds: how many.
        seed: of the draws.

    Raises:
        UserError: there are too few examples, or groups, for so many folds.
    """
    if len(rows) < 2 * folds:
        raise UserError(
            f"prepare.folds={folds}: {len(rows)} labelled examples are too few; label {2 * folds} or more, two of each "
            "class at least"
        )
    found, left = np.zeros(len(rows), np.int16), rows
    for fold in range(folds - 1, 0, -1):
        quotas = proportional_quotas(left, strata, round(len(left) / (fold + 1)))
        drawn = draw(left, quotas, strata, groups, seed + fold)
        found[np.isin(rows, drawn)] = fold
        left = np.setdiff1d(left, drawn, assume_unique=True)
    if len(np.unique(found)) < folds:
        raise UserError(
            f"prepare.folds={folds}: the {len(rows)} labelled examples are in {len(np.unique(groups[rows]))} groups, "
            "which stay whole: too few for so many folds; take fewer folds, or label examples of other groups"
        )
    return found
