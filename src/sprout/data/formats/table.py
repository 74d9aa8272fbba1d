"""Format `table`: one row per example with its features, and a target that is a class or a number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.formats import Table
from sprout.data.formats.feature_columns import Feature, entries_of, find_features, note_written
from sprout.data.formats.labels import class_names, rows_without_target, split_names, target_text, with_unlabelled
from sprout.data.formats.npy import allocate
from sprout.data.formats.text_table import TextTable, open_table, require_columns, text_columns
from sprout.data.formats.values import floats, row_names, trimmed
from sprout.data.listing import Array, Faults, Listing, add_faults, merge_faults, same_fault
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
    table = open_table(root, settings.file)
    others = [name for name in (settings.target, settings.split, settings.group) if name is not None]
    require_columns(table, *others, *(settings.columns or []))
    features, rows = find_features(
        table, feature_columns(table, others, settings.columns), fill=settings.empty == "median"
    )
    examples, faults = encode(table, features, rows, scratch / "features.npy")
    text = {name: trimmed(column) for name, column in text_columns(table, others).items()} if others else {}
    splits, split_faults = (None, {}) if settings.split is None else split_names(text[settings.split])
    labels = values = None
    target_faults: Faults = {}
    if settings.target is not None:
        targets = target_text(text[settings.target], settings.missing)
        splits = splits if settings.number else with_unlabelled(splits, targets)
        missing = same_fault(rows_without_target(targets, splits), f"no target in column {settings.target!r}")
        if settings.number:
            values, wrong = numbers(targets, settings.target)
        else:
            labels, wrong = class_names(targets, settings.classes)
        target_faults = merge_faults(missing, wrong)
    return Listing(
        examples,
        row_names(settings.file, rows),
        label=labels,
        value=values,
        split=splits,
        group=None if settings.group is None else text[settings.group],
        classes=None if settings.classes is None or labels is None else list(settings.classes),
        features=[name for feature in features for name in feature.names],
        filled=filled_places(features),
        faults=merge_faults(faults, target_faults, split_faults),
        notes=[*note_written(features), *note_empty(features)],
    )


def feature_columns(table: TextTable, others: Sequence[str], columns: Sequence[str] | None) -> list[str]:
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


def encode(table: TextTable, features: list[Feature], rows: int, path: Path) -> tuple[Array, Faults]:
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
