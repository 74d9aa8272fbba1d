"""Format `table`: one row per example with its features, and a target that is a class or a number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sprout.config.formats import Table
from sprout.data.formats.feature_columns import Feature, entries_of, find_features, note_written
from sprout.data.formats.joined_table import JoinedTable, open_tables
from sprout.data.formats.labels import (
    class_names,
    rows_without_target,
    split_names,
    target_text,
    with_secret_splits,
    with_unlabelled,
)
from sprout.data.formats.npy import allocate
from sprout.data.formats.text_table import require_columns, text_columns
from sprout.data.formats.values import floats, row_names, trimmed
from sprout.data.listing import TEXT, Array, Faults, Listing, add_faults, merge_faults, same_fault
from sprout.runtime.errors import UserError, listed


def read(root: Path, scratch: Path, settings: Table) -> Listing:
    """Read a table in two passes: what its columns contain, then their values.

    Args:
        root: the data folder.
        scratch: a folder for a large array.
        settings: which columns are what.

    Raises:
        UserError: there is no such table, it lacks a column, or a column cannot be a feature.
    """
    table = open_tables(root, settings.file)
    others = [name for name in (settings.target, settings.split, settings.group) if name is not None]
    columns = feature_columns(table, others, settings.columns)
    for number, part in enumerate(table.tables):
        require_columns(part, *columns, *(name for name in others if number == 0 or name != settings.target))
    features, rows = find_features(table, columns, fill=settings.empty == "median")
    examples, faults = encode(table, features, rows, scratch / "features.npy")
    text = {name: trimmed(column) for name, column in text_columns(table, others).items()} if others else {}
    lengths = table.lengths() if len(table.tables) > 1 else [rows]
    splits, split_faults = splits_of_rows(table, lengths, settings, text)
    learned = learn_nothing(splits) if settings.target is None else targets_of(settings, text[settings.target], splits)
    return Listing(
        examples,
        pa.concat_arrays([row_names(part.name, count) for part, count in zip(table.tables, lengths, strict=True)]),
        label=learned.label,
        value=learned.value,
        split=learned.split,
        group=None if settings.group is None else text[settings.group],
        classes=None if settings.classes is None or learned.label is None else list(settings.classes),
        features=[name for feature in features for name in feature.names],
        columns=[each.column for each in features],
        filled=filled_places(features),
        faults=merge_faults(faults, learned.faults, split_faults),
        notes=[*note_written(features), *note_empty(features), *learned.notes],
    )


class Learned(NamedTuple):
    """What is to be learned of N rows."""

    label: pa.Array | None
    """(N,) string: class names."""
    value: pa.Array | None
    """(N,) float64: numbers."""
    split: pa.Array | None
    """(N,) string."""
    faults: Faults
    notes: list[str]


def learn_nothing(splits: pa.Array | None) -> Learned:
    """Return that there is no target."""
    return Learned(None, None, splits, {}, [])


def targets_of(settings: Table, texts: pa.Array, splits: pa.Array | None) -> Learned:
    """Return the targets of the rows.

    Args:
        settings: what the target is.
        texts: (N,) string, trimmed.
        splits: (N,) string; of classes, rows without one become unlabelled examples.
    """
    targets, notes = target_text(texts, settings.missing), list[str]()
    if settings.number:
        labels, (values, wrong) = None, numbers(targets, str(settings.target))
    else:
        values, (labels, wrong) = None, class_names(targets, settings.classes)
        if splits is not None and settings.split is None:
            splits, notes = with_secret_splits(splits, targets)
        splits = with_unlabelled(splits, targets)
    missing = same_fault(rows_without_target(targets, splits), f"no target in column {settings.target!r}")
    return Learned(labels, values, splits, merge_faults(missing, wrong), notes)


def splits_of_rows(
    table: JoinedTable, lengths: Sequence[int], settings: Table, text: Mapping[str, pa.Array]
) -> tuple[pa.Array | None, Faults]:
    """Return the split of each row, null where it is to be drawn, None where all are; and the faults.

    Args:
        table: one or several tables, whose names may tell the splits.
        lengths: rows of each.
        settings: the column of splits, if there is one.
        text: the columns that are no features.
    """
    if settings.split is not None:
        return split_names(text[settings.split], settings.split)
    named = table.splits()
    if not any(named):
        return None, {}
    parts = [
        pa.array([split], TEXT).take(pa.array(np.zeros(rows, np.int64)))
        for split, rows in zip(named, lengths, strict=True)
    ]
    return pa.concat_arrays(parts), {}


def feature_columns(table: JoinedTable, others: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """Return the columns that are features.

    Args:
        table: the table.
        others: columns with another use.
        columns: the setting; None takes all that have no other use.

    Raises:
        UserError: there are none, or one has another use.
    """
    chosen = [name for name in table.columns if name not in others] if columns is None else list(columns)
    if used := [name for name in chosen if name in others]:
        raise UserError(
            f"{table.name}: column {used[0]!r} is a feature (`columns`) and has another use; remove it from one"
        )
    if not chosen:
        raise UserError(f"{table.name}: no column is a feature; add some, or name them in `columns`")
    if len(set(chosen)) < len(chosen):
        raise UserError(f"{table.name}: a column twice in `columns`; name each once")
    return chosen


def encode(table: JoinedTable, features: list[Feature], rows: int, path: Path) -> tuple[Array, Faults]:
    """Return all features, (rows, F) float32, zeros where there is a fault; and the faults."""
    examples = allocate(path, (rows, sum(len(feature.names) for feature in features)), np.float32)
    faults: Faults = {}
    start = 0
    for batch in table.batches([feature.name for feature in features]):
        at = 0
        for feature in features:
            encoded, wrong = feature.encode(entries_of(batch, feature.name, f"{table.name}: column {feature.name!r}"))
            examples[start : start + len(batch), at : at + encoded.shape[1]] = encoded
            add_faults(faults, wrong, start)
            at += encoded.shape[1]
        start += len(batch)
    return examples, faults


def filled_places(features: Sequence[Feature]) -> list[int]:
    """Return the places of the numbers that are NaN where the entry is empty."""
    starts = np.cumsum([0, *(len(feature.names) for feature in features)])
    return [int(start) for start, each in zip(starts, features, strict=False) if each.empty and each.values is None]


def note_empty(features: Sequence[Feature]) -> list[str]:
    """Report which columns have empty entries, how many, and what becomes of them."""
    columns = [f"{each.name!r} ({each.empty:,})" for each in features if each.empty]
    if not columns:
        return []
    return [
        f"empty entries in {listed(columns)}: numbers are filled with the median of the training split, and a further "
        "feature of each column says where (format.empty; faulty leaves such rows out)"
    ]


def numbers(texts: pa.Array, target: str) -> tuple[pa.Array, Faults]:
    """Return a target as numbers: (N,) string → (N,) float64, null where it is not finite; and the faults."""
    values, is_number = floats(texts)
    valid = is_number & np.isfinite(values)
    wrong = np.flatnonzero(~valid & np.asarray(texts.is_valid())).tolist()
    faults = {row: f"target {target!r} is {texts[row].as_py()!r}, not a finite number" for row in wrong}
    return pa.array(values, pa.float64(), mask=~valid), faults
