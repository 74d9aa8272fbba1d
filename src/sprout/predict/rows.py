"""Rows of any table as the features of a model that has learned from another one with these columns."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.description import Column
from sprout.data.formats.feature_columns import Feature, entries_of
from sprout.data.formats.values import as_text, trimmed
from sprout.data.formats.written_numbers import Writing
from sprout.data.listing import Array, Faults, add_faults


def encode_rows(columns: Sequence[Column], rows: pa.RecordBatch, what: str) -> tuple[Array, Faults]:
    """Return rows as features: (n, F) float32, zeros where there is a fault; and the faults.

    Args:
        columns: as the model takes them.
        rows: n rows with these columns.
        what: names the table in an error.

    Raises:
        UserError: a column contains lists or the like.
    """
    faults: Faults = {}
    parts = []
    for column in columns:
        name = f"{what}: column {column.name!r}"
        # Categories are texts, also where all entries of these rows are numbers or empty.
        entries = trimmed(as_text(rows[column.name], name)) if column.values else entries_of(rows, column.name, name)
        part, wrong = encode_column(column, entries)
        parts.append(part)
        add_faults(faults, wrong)
    return np.concatenate(parts, axis=1), faults


def encode_column(column: Column, entries: pa.Array) -> tuple[Array, Faults]:
    """Return a batch of a column as its features, (n,) → (n, f) float32, zeros at a fault; and the faults."""
    written = Writing(column.decimal, "") if column.decimal else None
    encoded, faults = Feature(column.name, column.values, int(column.empty), written).encode(entries)
    if column.median is not None:
        encoded[np.isnan(encoded[:, 0]), 0] = column.median
    return encoded, faults


def column_of(values: Sequence[Any]) -> pa.Array:
    """Return the entries of a column as numbers, or where one is a text as texts: (n,), null where there is none.

    Raises:
        TypeError: an entry is not a number, text, boolean or None.
    """
    known = [None if isinstance(each, float) and math.isnan(each) else each for each in values]
    if any(isinstance(each, str) for each in known):
        return pa.array([each if each is None or isinstance(each, str) else json.dumps(each) for each in known])
    return pa.array([None if each is None else float(each) for each in known], pa.float64())
