"""A table with one row per example: features, and a target that is a class or a number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.formats.faults import Faults, add, all_of, merged
from sprout.data.formats.features import Feature, entries_of, survey
from sprout.data.formats.numbers import floats
from sprout.data.formats.room import room
from sprout.data.formats.splits import given_splits, without_target
from sprout.data.formats.text_table import TextTable, numbered, open_table, require, text_columns, trimmed
from sprout.data.sources.class_names import named
from sprout.data.sources.listing import Array, Listing
from sprout.runtime.errors import UserError


def read(
    root: Path,
    scratch: Path,
    *,
    file: str,
    target: str | None,
    number: bool,
    columns: Sequence[str] | None,
    split: str | None,
    group: str | None,
    classes: Sequence[str] | None,
) -> Listing:
    """Read a table in two passes: what its columns hold, then their numbers.

    Args:
        root: where the table lies.
        scratch: a folder for a large array.
        file: the table; see `settings.forms.Table` for this and all that follow.

    Raises:
        UserError: there is no such table, it lacks a column, or a column can be no feature.
    """
    table = open_table(root, file)
    others = [name for name in (target, split, group) if name is not None]
    require(table, "download.form", *others, *(columns or []))
    chosen = feature_columns(table, others, columns)
    features, rows = survey(table, chosen)
    examples, faults = encode(table, features, rows, scratch / "features.npy")
    text = text_columns(table, others) if others else {}
    splits, split_faults = (None, {}) if split is None else given_splits(trimmed(text[split]))
    labels = value = None
    target_faults: Faults = {}
    if target is not None:
        given = trimmed(text[target])
        target_faults = all_of(
            without_target(given, splits),
            f"no target in column {target!r}",
        )
        if number:
            value, wrong = numbers(given, target)
        else:
            labels, wrong = named(given, classes)
        target_faults = merged(target_faults, wrong)
    return Listing(
        examples,
        numbered(file, rows),
        label=labels,
        value=value,
        split=splits,
        group=None if group is None else trimmed(text[group]),
        classes=None if classes is None or labels is None else list(classes),
        features=[name for feature in features for name in feature.names],
        faults=merged(faults, target_faults, split_faults),
    )


def feature_columns(table: TextTable, others: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """The columns that are features.

    Raises:
        UserError: there are none, or one has another use.
    """
    chosen = [name for name in table.columns if name not in others] if columns is None else list(columns)
    if used := [name for name in chosen if name in others]:
        raise UserError(f"{table.name}: column {used[0]!r} is a feature (`columns`) and has another use; leave it out")
    if not chosen:
        raise UserError(f"{table.name}: no column is a feature; add some, or name them in `columns`")
    if len(set(chosen)) < len(chosen):
        raise UserError(f"{table.name}: a column twice in `columns`; name each once")
    return chosen


def encode(table: TextTable, features: list[Feature], rows: int, path: Path) -> tuple[Array, Faults]:
    """All features: (rows, F) float32, zeros where there is a fault."""
    examples = room(path, (rows, sum(len(feature.names) for feature in features)), np.float32)
    faults: Faults = {}
    start = 0
    for batch in table.batches([feature.name for feature in features]):
        at = 0
        for feature in features:
            encoded, wrong = feature.encode(entries_of(batch, feature.name, f"{table.name}: column {feature.name!r}"))
            examples[start : start + len(batch), at : at + encoded.shape[1]] = encoded
            add(faults, wrong, start)
            at += encoded.shape[1]
        start += len(batch)
    return examples, faults


def numbers(texts: pa.Array, target: str) -> tuple[pa.Array, Faults]:
    """A target as numbers: (N,) string → (N,) float64, null where it is none."""
    values, meant = floats(texts)
    sound = meant & np.isfinite(values)
    wrong = np.flatnonzero(~sound & np.asarray(texts.is_valid())).tolist()
    faults = {row: f"target {target!r} is {texts[row].as_py()!r}, not a finite number" for row in wrong}
    return pa.array(values, pa.float64(), mask=~sound), faults
