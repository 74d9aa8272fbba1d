"""The label budget: which training examples keep their label."""

import numpy as np

from sprout.config.prepare import Prepare
from sprout.data.listing import Array
from sprout.data.prepare.groups import draw, proportional_quotas
from sprout.data.prepare.pool import Pool
from sprout.data.prepare.targets import count_classes, format_counts
from sprout.runtime.errors import UserError


def draw_labelled(pool: Pool, settings: Prepare, seed: int, notes: list[str]) -> Array:
    """Return the rows that keep their label, ascending; a shortfall is added to the notes.

    Raises:
        UserError: two budgets are set, the data has no classes, or the budget does not fit them.
    """
    labels, labels_per_class = settings.labels, settings.labels_per_class
    if labels is not None and labels_per_class is not None:
        raise UserError(
            f"prepare.labels={labels}, prepare.labels_per_class={labels_per_class}: only one of them can be set; "
            "set the other to null"
        )
    if labels is None and labels_per_class is None:
        return pool.rows
    key = f"prepare.labels={labels}" if labels is not None else f"prepare.labels_per_class={labels_per_class}"
    if not pool.targets.classes:
        raise UserError(f"{key}: the data has no classes, so there is no label to withhold; set it to null")
    quotas = class_quotas(pool, settings, seed)
    check_quotas(key, pool, quotas)
    drawn = draw(pool.rows, quotas, pool.targets.index, pool.groups, seed)
    kept = count_classes(pool.targets.index[drawn], pool.targets.classes)
    if missing := [name for name, count in kept.items() if not count]:
        raise UserError(
            f"{key}: no whole group of class {missing[0]!r} fits; keep more labels, or use smaller groups "
            f"({format_counts(pool.counts())})"
        )
    if len(drawn) < sum(quotas.values()):
        notes.append(f"{key}: {len(drawn)} labels instead of {sum(quotas.values())}, because groups stay whole")
    return drawn


def check_quotas(key: str, pool: Pool, quotas: dict[int, int]) -> None:
    """Refuse quotas that a class cannot fill."""
    counts = pool.counts()
    for index, name in enumerate(pool.targets.classes):
        if not 1 <= (quota := quotas.get(index, 0)) <= counts[name]:
            raise UserError(
                f"{key}: that is {quota} of class {name!r}, which has {counts[name]} training examples; "
                f"accepted: from one to all examples of each class ({format_counts(counts)})"
            )


def class_quotas(pool: Pool, settings: Prepare, seed: int) -> dict[int, int]:
    """Return the number of labels of each class: a fraction keeps the proportions, a count is spread evenly."""
    classes = len(pool.targets.classes)
    if settings.labels_per_class is not None:
        return dict.fromkeys(range(classes), settings.labels_per_class)
    if isinstance(settings.labels, float):
        return proportional_quotas(pool.rows, pool.targets.index, round(settings.labels * len(pool.rows)))
    assert settings.labels is not None
    each, extra = divmod(settings.labels, classes)
    # The classes with one more are drawn.
    more = set(np.random.default_rng(seed).permutation(classes)[:extra].tolist())
    return {index: each + (index in more) for index in range(classes)}
