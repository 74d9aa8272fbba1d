"""What `prepare` says about what it has made."""

from collections.abc import Sequence
from typing import Any

from sprout.data.prepare.classes import Targets, per_class
from sprout.data.prepare.examples import Examples
from sprout.data.prepare.shares import Shares
from sprout.data.sources.listing import SPLITS, Array


def summary(
    examples: Examples,
    shares: Shares,
    features: Sequence[str] | None,
    statistics: dict[str, Any],
    faulty: int,
    duplicates: int | None,
    near_duplicates: int | None,
) -> dict[str, Any]:
    """Counts of each split, the training split's statistics, and what a person should know."""
    learned = shares.targets
    splits = {name: counts(shares.rows[name], learned, known=name != "unlabelled") for name in SPLITS}
    return {
        "splits": splits,
        "shape": list(examples.shape),
        "dtype": examples.dtype,
        **statistics,
        "target": learned.kind,
        "features": None if features is None else list(features),
        "faulty": faulty,
        "duplicates": duplicates,
        "duplicates_left_out": shares.left_out,
        "near_duplicates": near_duplicates,
        "notes": notes(splits, faulty, shares, near_duplicates),
    }


def counts(rows: Array, learned: Targets, *, known: bool) -> dict[str, Any]:
    """How many examples a split has, how many of them with a label or a value, and how many of each class."""
    by_class = per_class(learned.index[rows], learned.classes) if known else {}
    labelled = len(rows) if known and learned.kind == "number" else sum(by_class.values())
    return {"examples": len(rows), "labelled": labelled, "per_class": by_class}


def notes(splits: dict[str, dict[str, Any]], faulty: int, shares: Shares, near_duplicates: int | None) -> list[str]:
    """What is said aloud, one line each."""
    said = [
        f"no example of {name!r} in {split}"
        for split in ("train", "val", "test")
        for name, count in splits[split]["per_class"].items()
        if not count
    ]
    if faulty:
        said.append(f"faulty examples left out: {faulty} (quarantine.csv)")
    if shares.left_out:
        said.append(f"pictures left out, as another part has them too: {shares.left_out} (duplicates.csv)")
    if near_duplicates:
        said.append(f"pairs of near duplicates, kept as they are: {near_duplicates} (near_duplicates.csv)")
    return said + shares.notes
