"""Which example goes into which split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sprout.data.prepare.classes import UNKNOWN, Targets, listed, per_class
from sprout.data.prepare.draw import draw, proportional
from sprout.data.sources.listing import SPLITS, Array
from sprout.runtime.errors import UserError

Amount = int | float | None
DRAWN = -1
SHOWN = 10


@dataclass(frozen=True)
class Pool:
    """What is still to be shared out."""

    rows: Array
    """(n,) ascending."""
    targets: Targets
    strata: Array
    """(N,) int64."""
    groups: Array
    """(N,) int64."""

    def without(self, rows: Array) -> "Pool":
        """The same less these rows."""
        return replace(self, rows=np.setdiff1d(self.rows, rows, assume_unique=True))

    def counts(self) -> dict[str, int]:
        """Examples of each class."""
        return per_class(self.targets.index[self.rows], self.targets.classes)


def split(
    rows: Array,
    given: Array,
    targets: Targets,
    strata: Array,
    groups: Array,
    *,
    first: int | None,
    test: Amount,
    val: Amount,
    labels: Amount,
    labels_per_class: int | None,
    seed: int,
) -> tuple[dict[str, Array], list[str]]:
    """Share rows out over train, val, unlabelled and test, each in the source's order; and what should be said of it.

    Args:
        rows: (n,) the sound ones.
        given: (N,) the source's own split of each example, its place in `SPLITS`; `DRAWN` where it is to be drawn.
        targets: what is to be learned.
        strata: (N,) what the draws are stratified by.
        groups: (N,) examples of one group stay in one drawn split.
        first: see `settings.prepare.Prepare` for this and all that follow.

    Raises:
        UserError: there are too few examples for this.
    """
    own = {name: rows[given[rows] == code] for code, name in enumerate(SPLITS)}
    # A drawn validation split is drawn from the source's own one too; its test split is never learned from.
    others = [DRAWN, SPLITS.index("train"), *([] if val is None else [SPLITS.index("val")])]
    pool = Pool(rows[np.isin(given[rows], others)], targets, strata, groups)
    pool = whole = beginning(pool, first)
    notes: list[str] = []
    pool, tested = part(pool, "test", test, own["test"], seed, notes)
    pool, validated = part(pool, "val", val, own["val"], seed + 1, notes)
    drawn = whole.without(pool.rows).rows
    beside = own["unlabelled"][~np.isin(groups[own["unlabelled"]], groups[drawn])]
    if lost := len(own["unlabelled"]) - len(beside):
        notes.append(f"{lost} unlabelled examples are left out, as val or test has others of their groups")
    if not len(pool.rows):
        raise UserError("prepare: no example with a label is left to train on; add some, or draw less for val and test")
    kept = budget(pool, labels, labels_per_class, seed + 2, notes)
    unlabelled = np.sort(np.concatenate([beside, pool.without(kept).rows]))
    return {"train": kept, "val": validated, "unlabelled": unlabelled, "test": tested}, notes


def beginning(pool: Pool, first: int | None) -> Pool:
    """The first examples of a pool.

    Raises:
        UserError: there are not so many, or a class lies behind them all.
    """
    if first is not None and first > len(pool.rows):
        raise UserError(f"prepare.first={first}: the source's training part has {len(pool.rows)} examples")
    begun = replace(pool, rows=pool.rows[:first])
    counts = begun.counts()
    if cut := [name for name, count in pool.counts().items() if count and not counts[name]]:
        raise UserError(
            f"prepare.first={first}: none of class {', '.join(map(repr, cut[:SHOWN]))} is among the first examples; "
            "take more of them, or all (null)"
        )
    return begun


def part(pool: Pool, name: str, wanted: Amount, own: Array, seed: int, notes: list[str]) -> tuple[Pool, Array]:
    """The pool without a split, and that split: the source's own part, or drawn."""
    if wanted is not None:
        drawn = stratified(pool, f"prepare.{name}", wanted, seed, notes)
        return pool.without(drawn), drawn
    if not len(own):
        raise UserError(f"prepare.{name}=null: the source has no {name} part of its own; say how many to draw")
    return pool, own


def stratified(pool: Pool, key: str, wanted: int | float, seed: int, notes: list[str]) -> Array:
    """Draw so many rows, or that share, in the strata's proportions."""
    counts = pool.counts()
    classes = max(1, sum(1 for count in counts.values() if count))
    count = wanted if isinstance(wanted, int) else round(wanted * len(pool.rows))
    by_class = f" ({listed(counts)})" if counts else ""
    if 2 * classes > len(pool.rows):
        raise UserError(f"{key}={wanted}: {len(pool.rows)} examples are left to draw from{by_class}, too few; add some")
    if not classes <= count <= len(pool.rows) - classes:
        raise UserError(
            f"{key}={wanted}: {len(pool.rows)} examples are left{by_class}; "
            f"accepted: {classes} to {len(pool.rows) - classes}, or that share"
        )
    if any(count == 1 for count in counts.values()):
        raise UserError(f"{key}={wanted}: a class has a single example, which cannot be in two splits{by_class}")
    drawn = draw(pool.rows, proportional(pool.rows, pool.strata, count), pool.strata, pool.groups, seed)
    if not len(drawn):
        raise UserError(
            f"{key}={wanted}: every group, or set of equal pictures, is larger than that; draw more, or group finer"
        )
    if len(drawn) < count:
        notes.append(f"{key}={wanted}: {len(drawn)} examples instead of {count}, as groups stay whole")
    return drawn


def budget(pool: Pool, labels: Amount, labels_per_class: int | None, seed: int, notes: list[str]) -> Array:
    """The rows that keep their label."""
    if labels is not None and labels_per_class is not None:
        raise UserError(
            f"prepare.labels={labels}, prepare.labels_per_class={labels_per_class}: only one of them can be set; "
            "set the other to null"
        )
    if labels is None and labels_per_class is None:
        return pool.rows
    key, wanted = ("labels", labels) if labels is not None else ("labels_per_class", labels_per_class)
    refused = partial(refuse, f"prepare.{key}={wanted}", pool)
    if not pool.targets.classes:
        raise refused("the data has no classes, so there is no label to withhold; set it to null")
    quotas = class_quotas(pool, labels, labels_per_class, seed)
    counts = pool.counts()
    for index, name in enumerate(pool.targets.classes):
        if not 1 <= (quota := quotas.get(index, 0)) <= counts[name]:
            raise refused(
                f"that is {quota} of class {name!r}, which has {counts[name]} training examples; "
                "accepted: at least one a class and no more than it has"
            )
    drawn = draw(pool.rows, quotas, pool.targets.index, pool.groups, seed)
    kept = per_class(pool.targets.index[drawn], pool.targets.classes)
    if none := [name for name, count in kept.items() if not count]:
        raise refused(f"no whole group of class {none[0]!r} fits into that; keep more labels, or group finer")
    if len(drawn) < sum(quotas.values()):
        notes.append(
            f"prepare.{key}={wanted}: {len(drawn)} labels instead of {sum(quotas.values())}, as groups stay whole"
        )
    return drawn


def refuse(setting: str, pool: Pool, why: str) -> UserError:
    """The error that a label budget does not fit."""
    counts = pool.counts()
    return UserError(f"{setting}: {why}" + (f" ({listed(counts)})" if counts else ""))


def class_quotas(pool: Pool, labels: Amount, labels_per_class: int | None, seed: int) -> dict[int, int]:
    """How many of each class keep their label. A share keeps the classes' proportions; a count is spread evenly."""
    classes = len(pool.targets.classes)
    if labels_per_class is not None:
        return dict.fromkeys(range(classes), labels_per_class)
    if isinstance(labels, float):
        return proportional(pool.rows, pool.targets.index, round(labels * len(pool.rows)))
    assert labels is not None
    share, extra = divmod(labels, classes)
    # Who gets one more is drawn.
    more = set(np.random.default_rng(seed).permutation(classes)[:extra].tolist())
    return {index: share + (index in more) for index in range(classes)}


def strata_of(
    targets: Targets, examples: Array | None, features: Sequence[str] | None, bins: Mapping[str, Sequence[float]]
) -> Array:
    """A number for each combination of class and bins: (N,) int64.

    Raises:
        UserError: the examples have no such feature.
    """
    strata = targets.index - UNKNOWN
    for name, edges in bins.items():
        if examples is None or name not in (features or []):
            known = ", ".join(features) if features else "none, as these are images"
            raise UserError(f"prepare.strata.{name}: no such feature; there are: {known}")
        column = np.asarray(examples[:, list(features or []).index(name)])
        strata = strata * (len(edges) + 1) + np.digitize(column, sorted(edges))
    return strata
