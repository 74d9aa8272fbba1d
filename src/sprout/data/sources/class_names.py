"""Class names: their order, and what they are called in the source."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
DIGITS = re.compile(r"([0-9]+)")


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort as a person would: numbers first and by their value, then text, with the numbers in it by value.

    So "2" comes before "10", and "grade 2" before "grade 10".
    """
    return sorted(names, key=lambda name: (not NUMBER.fullmatch(name), natural_key(name), name))


def natural_key(name: str) -> list[str | Decimal]:
    """A number's value, or else text and numbers in turn."""
    if NUMBER.fullmatch(name):
        return [Decimal(name)]
    return [Decimal(part) if place % 2 else part for place, part in enumerate(DIGITS.split(name))]


def named(labels: pa.Array, classes: Sequence[str] | None) -> tuple[pa.Array, dict[int, str]]:
    """Labels as class names, and the rows whose label is none of them, with the reason.

    A label is the name of a class, or its index where no class has a number for a name.

    Args:
        labels: (N,) string, null where there is none.
        classes: names by index; None takes every label as a name.

    Returns:
        (N,) string with null where it is not known, and the faults.
    """
    if classes is None:
        return labels, {}
    numbered = not any(NUMBER.fullmatch(name) for name in classes)
    meaning = {str(index): name for index, name in enumerate(classes)} if numbered else {}
    names, unknown = translated(labels, meaning | {name: name for name in classes})
    accepted = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    return names, {row: f"label {label!r} is none of the classes {accepted}" for row, label in unknown.items()}


def translated(texts: pa.Array, meaning: dict[str, str]) -> tuple[pa.Array, dict[int, str]]:
    """Every text by its meaning: (N,) string, null where it has none, and these rows with their text."""
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    known = pa.array([meaning.get(text) for text in distinct], pa.string())
    meanings = known.take(encoded.indices)
    rows = np.flatnonzero(np.asarray(meanings.is_null()) & np.asarray(texts.is_valid()))
    return meanings, dict(zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True))
