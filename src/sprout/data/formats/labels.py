"""Labels and splits as text: the order of class names, and the meaning of a table's entries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.folder_names import SPLIT_WORDS, split_of, split_of_question
from sprout.data.listing import TEXT, Array, Faults

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
WHOLE = r"^[+-]?[0-9]+(\.0+)?$"
DIGITS = re.compile(r"([0-9]+)")
NUMBERED_SPLITS = {"0": "train", "1": "val", "2": "test"}
"""How CelebA numbers its splits."""
ONE, ZERO = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False")
"""How a column of a single class says that it is an image's, or not."""
NO_LABEL = ("NaN", "nan", "NA", "N/A", "#N/A", "<NA>", "null", "NULL")
"""What pandas, R and spreadsheets write where a value is missing."""


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
    labels = whole_names(labels)
    if classes is None:
        return labels, {}
    by_index = not any(NUMBER.fullmatch(name) for name in classes)
    meaning = {str(index): name for index, name in enumerate(classes)} if by_index else {}
    names, unknown = translate(labels, meaning | {name: name for name in classes})
    accepted = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    return names, {row: f"label {label!r} is none of the classes {accepted}" for row, label in unknown.items()}


def whole_names(labels: pa.Array) -> pa.Array:
    """Return whole numbers without a fraction of zeros, if all labels are such: pandas writes 1 as 1.0 beside NaN."""
    if not pc.any(pc.ends_with(labels, ".0")).as_py() or not pc.all(pc.match_substring_regex(labels, WHOLE)).as_py():
        return labels
    return pc.replace_substring_regex(labels, r"\.0+$", "")


def split_names(texts: pa.Array, column: str) -> tuple[pa.Array, Faults]:
    """Return a table's splits: (N,) string → (N,) one of `SPLITS`, null if empty or unknown; and the faults.

    Args:
        texts: the entries.
        column: its name; in `is_valid`, true is val and false is train.
    """
    distinct = texts.unique().drop_null().to_pylist()
    if answers := split_of_question(column):
        meaning = dict.fromkeys(ONE, answers[0]) | dict.fromkeys(ZERO, answers[1])
        splits, unknown = translate(texts, meaning)
        return splits, {row: f"column {column!r} has {text!r}; 0 or 1 is needed" for row, text in unknown.items()}
    meaning = {text: split for text in distinct if (split := split_of(text))}
    if set(distinct) <= set(NUMBERED_SPLITS):
        meaning = NUMBERED_SPLITS
    splits, unknown = translate(texts, meaning)
    return splits, {row: f"split {text!r} is none of {', '.join(SPLIT_WORDS)}" for row, text in unknown.items()}


def with_unlabelled(splits: pa.Array | None, labels: pa.Array) -> pa.Array | None:
    """Return the splits with unlabelled for the rows without a label that are in none or in train: (N,) string."""
    if not labels.null_count:
        return splits
    given = pa.nulls(len(labels), TEXT) if splits is None else splits
    learned = pc.or_kleene(pc.is_null(given), pc.equal(given, "train"))
    return pc.if_else(pc.and_kleene(pc.is_null(labels), learned), "unlabelled", given)


def splits_without_labels(splits: pa.Array, labels: pa.Array) -> list[str]:
    """Return val and test if none of their rows has a label and some others have one, as in competitions."""
    labelled = splits.filter(labels.is_valid()).unique().to_pylist()
    present = splits.unique().to_pylist()
    return [split for split in ("val", "test") if split in present and split not in labelled and labelled]


def with_secret_splits(splits: pa.Array, labels: pa.Array) -> tuple[pa.Array, list[str]]:
    """Return unlabelled in place of val and test where none of their rows has a label; and notes of it."""
    secret = splits_without_labels(splits, labels)
    if secret:
        splits = pc.if_else(pc.is_in(splits, pa.array(secret)), "unlabelled", splits)
    return splits, [f"{split}: no row has a label; they become the unlabelled examples" for split in secret]


def rows_without_target(targets: pa.Array, splits: pa.Array | None) -> Array:
    """Return the rows that lack a label or a number and are not in the split unlabelled: (n,) int64."""
    missing = np.asarray(targets.is_null())
    if splits is not None:
        missing = missing & ~np.asarray(pc.equal(splits, "unlabelled").fill_null(False))
    return np.flatnonzero(missing)


def target_text(texts: pa.Array, missing: str | None = None) -> pa.Array:
    """Return a target's entries: (N,) string, null where one is missing.

    Args:
        texts: (N,) string, trimmed.
        missing: what stands for a missing one beside `NO_LABEL`.
    """
    none = NO_LABEL if missing is None else (*NO_LABEL, missing)
    return pc.if_else(pc.is_in(texts, pa.array(none)), None, texts)


def one_hot_labels(columns: Mapping[str, pa.Array]) -> tuple[pa.Array, Faults]:
    """Return the class whose column has a 1, null where none has: (N,) string; and the faults.

    Args:
        columns: class → (N,) string; 0 and 1, also written 0.0 and 1.0, or false and true.
    """
    names, values = list(columns), list(columns.values())
    ones = np.stack([np.asarray(pc.is_in(column, pa.array(ONE))) for column in values])
    zeros = np.stack([np.asarray(pc.is_in(column, pa.array(ZERO)).fill_null(False)) for column in values])
    empty = np.stack([np.asarray(column.is_null()) for column in values])
    count = ones.sum(axis=0)
    labels = pa.array(names, TEXT).take(pa.array(ones.argmax(axis=0)))
    faults: Faults = {}
    for row in np.flatnonzero(count > 1).tolist():
        several = ", ".join(name for name, one in zip(names, ones[:, row], strict=True) if one)
        faults[row] = f"several classes: {several}; an image of one class is needed"
    for row in np.flatnonzero(~(ones | zeros | empty).all(axis=0)).tolist():
        column = int(np.flatnonzero(~(ones | zeros | empty)[:, row])[0])
        faults[row] = f"column {names[column]!r} has {values[column][row].as_py()!r}; 0 or 1 is needed"
    return pc.if_else(pa.array(count == 1), labels, None), faults


def translate(texts: pa.Array, meaning: dict[str, str]) -> tuple[pa.Array, dict[int, str]]:
    """Replace every text by its meaning, null where it has none: (N,) of the same type; and those rows' texts."""
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    known = pa.array([meaning.get(text) for text in distinct], texts.type)
    meanings = known.take(encoded.indices)
    rows = np.flatnonzero(np.asarray(meanings.is_null()) & np.asarray(texts.is_valid()))
    return meanings, dict(zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True))
