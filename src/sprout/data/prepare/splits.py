"""Which example goes into which split."""

from collections.abc import Mapping, Sequence

import numpy as np

from sprout.config.prepare import Prepare
from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.duplicates import TO_DRAW
from sprout.data.prepare.groups import draw, proportional_quotas
from sprout.data.prepare.label_budget import draw_labelled
from sprout.data.prepare.pool import Pool
from sprout.data.prepare.targets import UNKNOWN, Targets, format_counts
from sprout.runtime.errors import UserError


def split(
    rows: Array, source: Array, targets: Targets, strata: Array, groups: Array, settings: Prepare
) -> tuple[dict[str, Array], list[str]]:
    """Assign rows to train, val, unlabelled and test, each in the source's order.

    Args:
        rows: (n,) the usable ones.
        source: (N,) the source's own split of each example, see `source_splits`.
        targets: what is to be learned.
        strata: (N,) what the draws are stratified by.
        groups: (N,) examples of one group stay in one drawn split.
        settings: the amounts and the seed.

    Returns:
        the rows of each split, and notes for the user.

    Raises:
        UserError: there are too few examples for these settings.
    """
    own = {name: rows[source[rows] == code] for code, name in enumerate(SPLITS)}
    # A drawn validation split may take the source's own validation examples; its test split is never learned from.
    own_val = settings.val is None and settings.folds is None
    drawn_from = [TO_DRAW, SPLITS.index("train"), *([] if own_val else [SPLITS.index("val")])]
    everything = Pool(rows[np.isin(source[rows], drawn_from)], targets, strata, groups).first(settings.first)
    notes: list[str] = []
    folds = settings.folds is not None
    pool, test = take_split(everything, "test", settings.test, own["test"], settings.seed, notes, needed=not folds)
    own_of_val = own["val"][:0] if folds else own["val"]
    pool, val = take_split(pool, "val", settings.val, own_of_val, settings.seed + 1, notes, needed=not folds)
    drawn = everything.without(pool.rows).rows
    unlabelled = own["unlabelled"][~np.isin(groups[own["unlabelled"]], groups[drawn])]
    if lost := len(own["unlabelled"]) - len(unlabelled):
        notes.append(f"{lost} unlabelled examples are left out, because val or test has others of their groups")
    if not len(pool.rows):
        raise UserError("prepare: no labelled example remains to train on; add some, or draw less for val and test")
    labelled = draw_labelled(pool, settings, settings.seed + 2, notes)
    unlabelled = np.sort(np.concatenate([unlabelled, pool.without(labelled).rows]))
    return {"train": labelled, "val": val, "unlabelled": unlabelled, "test": test}, notes


def take_split(
    pool: Pool, name: str, amount: int | float | None, own: Array, seed: int, notes: list[str], *, needed: bool
) -> tuple[Pool, Array]:
    """Return the pool without a split, and that split: drawn, or the source's own where `amount` is None.

    Raises:
        UserError: the split is needed, and the source has none; or there are too few examples.
    """
    if amount is not None:
        drawn = draw_stratified(pool, f"prepare.{name}", amount, seed, notes)
        return pool.without(drawn), drawn
    if not len(own) and needed:
        raise UserError(
            f"prepare.{name}=null: the source has no {name} split of its own; set how many to draw, or of few labels "
            "prepare.folds=5 for cross-validation"
        )
    return pool, own


def draw_stratified(pool: Pool, key: str, amount: int | float, seed: int, notes: list[str]) -> Array:
    """Draw this many rows, or this fraction of them, in the proportions of the strata."""
    count = amount if isinstance(amount, int) else round(amount * len(pool.rows))
    check_amount(pool, key, amount, count)
    drawn = draw(pool.rows, proportional_quotas(pool.rows, pool.strata, count), pool.strata, pool.groups, seed)
    if not len(drawn):
        raise UserError(
            f"{key}={amount}: every group, or set of equal images, is larger than that; draw more, or use smaller "
            "groups"
        )
    if len(drawn) < count:
        notes.append(f"{key}={amount}: {len(drawn)} examples instead of {count}, because groups stay whole")
    return drawn


def check_amount(pool: Pool, key: str, amount: int | float, count: int) -> None:
    """Refuse a draw that leaves a class without an example on either side."""
    counts = pool.counts()
    classes = max(1, sum(1 for number in counts.values() if number))
    by_class = f" ({format_counts(counts)})" if counts else ""
    if 2 * classes > len(pool.rows):
        raise UserError(f"{key}={amount}: {len(pool.rows)} examples are left to draw from{by_class}, too few; add some")
    if not classes <= count <= len(pool.rows) - classes:
        raise UserError(
            f"{key}={amount}: {len(pool.rows)} examples are left{by_class}; "
            f"accepted: {classes} to {len(pool.rows) - classes}, or that fraction"
        )
    if any(number == 1 for number in counts.values()):
        raise UserError(
            f"{key}={amount}: a class has a single example, which cannot be in two splits{by_class}; add more of "
            "it, or leave the class out"
        )


def find_strata(
    targets: Targets, examples: Array | None, features: Sequence[str] | None, bins: Mapping[str, Sequence[float]]
) -> Array:
    """Number each combination of class and feature bins: (N,) int64.

    Args:
        targets: with the classes.
        examples: (N, F) rows of a table; None for images.
        features: (F,) their names.
        bins: feature → inner edges of its bins; empty entries, which are NaN, are in a bin of their own.

    Raises:
        UserError: the examples have no such feature.
    """
    strata = targets.index - UNKNOWN
    for name, edges in bins.items():
        if examples is None or name not in (features or []):
            known = ", ".join(features) if features else "none, because these are images"
            raise UserError(f"prepare.strata.{name}: no such feature; there are: {known}")
        column = np.asarray(examples[:, list(features or []).index(name)])
        bin_of_each = np.where(np.isnan(column), len(edges) + 1, np.digitize(column, sorted(edges)))
        strata = strata * (len(edges) + 2) + bin_of_each
    return strata
