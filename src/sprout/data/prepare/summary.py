"""What describes the stores: counts, and the mean and standard deviation of the training split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.assignment import Assignment
from sprout.data.prepare.examples import Examples
from sprout.data.prepare.targets import Targets, count_classes
from sprout.evaluate.significance import wilson_interval

FEW_TO_JUDGE = 100
"""Examples of val below which an error measured there is too uncertain to choose a model by."""


def summarize(
    examples: Examples,
    assignment: Assignment,
    features: Sequence[str] | None,
    statistics: dict[str, Any],
    faulty: int,
    duplicates: int | None,
    near_duplicates: int | None,
) -> dict[str, Any]:
    """Return the content of `summary.json`.

    Args:
        examples: all of them.
        assignment: of the examples to the splits.
        features: (F,) their names; None for images.
        statistics: of the training split.
        faulty: number of examples in quarantine.
        duplicates: number of images that equal an earlier one; None where they were not compared.
        near_duplicates: number of pairs; None where they were not searched for.
    """
    targets = assignment.targets
    splits = {name: count_split(assignment.rows[name], targets, labels=name != "unlabelled") for name in SPLITS}
    return {
        "splits": splits,
        "folds": None if assignment.folds is None else len(np.unique(assignment.folds)),
        "shape": list(examples.shape),
        "dtype": examples.dtype,
        **statistics,
        "target": targets.kind,
        "features": None if features is None else list(features),
        "faulty": faulty,
        "duplicates": duplicates,
        "duplicates_left_out": assignment.left_out,
        "near_duplicates": near_duplicates,
        "notes": notes(splits, faulty, assignment, near_duplicates),
    }


def count_split(rows: Array, targets: Targets, *, labels: bool) -> dict[str, Any]:
    """Return the number of examples of a split: all, those with a label or value, and those of each class."""
    per_class = count_classes(targets.index[rows], targets.classes) if labels else {}
    labelled = len(rows) if labels and targets.kind == "number" else sum(per_class.values())
    return {"examples": len(rows), "labelled": labelled, "per_class": per_class}


def notes(
    splits: dict[str, dict[str, Any]], faulty: int, assignment: Assignment, near_duplicates: int | None
) -> list[str]:
    """Return what the user should know, one line each."""
    lines = [
        f"no example of {name!r} in {split}"
        for split in ("train", "val", "test")
        if splits[split]["examples"]
        for name, count in splits[split]["per_class"].items()
        if not count
    ]
    if faulty:
        lines.append(f"faulty examples left out: {faulty} (quarantine.csv)")
    if assignment.left_out:
        lines.append(f"images left out, because another split has them too: {assignment.left_out} (duplicates.csv)")
    if near_duplicates:
        lines.append(f"pairs of near duplicates, kept as they are: {near_duplicates} (near_duplicates.csv)")
    pool = splits["unlabelled"]["examples"]
    few = few_label_notes(pool, splits["train"], splits["val"]) if pool and assignment.targets.classes else []
    return lines + assignment.notes + few


def few_label_notes(pool: int, train: dict[str, Any], val: dict[str, Any]) -> list[str]:
    """Return what is too little to learn or to judge from, where there is an unlabelled pool; one line each.

    Args:
        pool: examples without a label.
        train: see `count_split`.
        val: the same.
    """
    lines = [
        f"a single labelled example of {name!r} in train, from which the class is hard to learn; label more of it"
        for name, count in train["per_class"].items()
        if count == 1
    ]
    if pool < train["labelled"]:
        lines.append(
            f"unlabelled examples: {pool}, fewer than the {train['labelled']} labelled ones, so that little can be "
            "learned from them; add more"
        )
    if 0 < (count := val["labelled"]) < FEW_TO_JUDGE:
        wrong = max(1, round(count / 5))
        low, high = wilson_interval(wrong, count)
        lines.append(
            f"val has only {count} labelled examples: a model that is wrong on {wrong} of them has an error between "
            f"{low:.0%} and {high:.0%} (95% interval); label more, or draw more for it (prepare.val)"
        )
    return lines
