"""Labels and splits as text: the order of class names, and the meaning of a table's entries."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.listing import Array, Faults

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
DIGITS = re.compile(r"([0-9]+)")
LEARNED_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
UNLABELLED = {"unlabelled": "unlabelled", "unlabeled": "unlabelled"}
SPLIT_NAMES = LEARNED_SPLITS | UNLABELLED
"""A split's name in folders and tables → one of `SPLITS`."""


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort numbers by value, then text with the numbers in it by value: 2 before 10, "grade 2" before "grade 10"."""
    return sorted(names, key=lambda name: (not NUMBER.fullmatch(name), natural_key(name), name))


def natural_key(name: str) -> list[str | Decimal]:
    """Return the number's value, or text and numbers alternating."""
    if NUMBER.fullmatch(name):
        return [Decimal(name)]
    return [Decimal(part) if place % 2 else part for place, part in enumerate(DIGITS.split(name))]


def class_names(labels: pa.Array, classes: Sequence[str] | None) -> tuple[pa.Array, Faults]:
    """Return labels as class names, and the rows whose label is not a class.

    A label is the name of a class, or its index if no class is named like a number.

    Args:
        labels: (N,) string, null where there is none.
        classes: names by index; None takes every label as a name.

    Returns:
        (N,) string, null where the class is not known; and the faults.
    """
    if classes is None:
        return labels, {}
    by_index = not any(NUMBER.fullmatch(name) for name in classes)
    meaning = {str(index): name for index, name in enumerate(classes)} if by_index else {}
    names, unknown = translate(labels, meaning | {name: name for name in classes})
    accepted = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    return names, {row: f"label {label!r} is none of the classes {accepted}" for row, label in unknown.items()}


def split_names(texts: pa.Array) -> tuple[pa.Array, Faults]:
    """Return a table's splits: (N,) string → (N,) one of `SPLITS`, null if empty or unknown; and the faults."""
    distinct = texts.unique().drop_null().to_pylist()
    meaning = {text: SPLIT_NAMES[text.lower()] for text in distinct if text.lower() in SPLIT_NAMES}
    splits, unknown = translate(texts, meaning)
    return splits, {row: f"split {text!r} is none of {', '.join(SPLIT_NAMES)}" for row, text in unknown.items()}


def rows_without_target(targets: pa.Array, splits: pa.Array | None) -> Array:
    """Return the rows that lack a label or a number and are not in the split unlabelled: (n,) int64."""
    missing = np.asarray(targets.is_null())
    if splits is not None:
        missing = missing & ~np.asarray(pc.equal(splits, "unlabelled").fill_null(False))
    return np.flatnonzero(missing)


def translate(texts: pa.Array, meaning: dict[str, str]) -> tuple[pa.Array, dict[int, str]]:
    """Replace every text by its meaning: (N,) string, null where it has none; and these rows with their text."""
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    known = pa.array([meaning.get(text) for text in distinct], pa.string())
    meanings = known.take(encoded.indices)
    rows = np.flatnonzero(np.asarray(meanings.is_null()) & np.asarray(texts.is_valid()))
    return meanings, dict(zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True))
