"""Which column of a table of features has which role."""

import re

from sprout.config.formats import Table
from sprout.data.formats.joined_table import described
from sprout.data.formats.labels import NO_LABEL
from sprout.data.importing.split_columns import is_fold, split_column
from sprout.data.importing.table_columns import (
    MAX_INTEGER_CLASSES,
    TARGET_COLUMNS,
    ask_what_is_missing,
    group_notes,
    is_number,
    refuse_written_out,
    unusable_features,
)
from sprout.data.importing.table_sample import Columns, Notes, TableSample
from sprout.runtime.errors import UserError, listed

WHOLE = re.compile(r"[+-]?[0-9]+(\.0+)?")
"""A whole number, also written 1.0."""
FEW_ROWS = 5
"""Rows of a class on average, below which a column that nobody has named is not taken as classes."""


def features_format(
    sample: TableSample, files: str | tuple[str, ...], columns: Columns, kind: str | None
) -> tuple[Table, Notes]:
    """Return the settings of the format `table`.

    Args:
        sample: the table.
        files: its name, or those of several.
        columns: those that are known.
        kind: class or number; None judges by the values.

    Raises:
        UserError: no column can be a feature, or it is not clear which one is to be learned.
    """
    file, (split, notes) = described(files), split_column(sample)
    target, group = columns.target, columns.group
    if len(sample.text) == 1:
        raise UserError(
            f"{file}: a single column, {next(iter(sample.text))!r}; separate columns by commas, semicolons or tabs"
        )
    given = [name for name in sample.text if name in (target, split) or not is_fold(name)]
    named = [name for name in given if name and name not in (split, group) and sample.values(name)]
    if not named:
        raise UserError(f"{file}: no column has a name and entries; name them in the first line")
    last = named[-1]
    learned = target or sample.column_named(TARGET_COLUMNS) or last
    number = is_number(sample.table, learned, columns.missing) if kind is None else kind == "number"
    if learned == last and target is None and not number:
        refuse_many_classes(sample, file, learned)
    if kind is None and not number:
        refuse_written_out(sample, file, learned)
    if kind is None and columns.missing is None:
        ask_what_is_missing(sample.values(learned), f"{file}: column {learned!r}", learned)
    rest = [name for name in given if name not in (learned, split, group)]
    left_out = unusable_features(sample, rest)
    kept = tuple(name for name in rest if name not in left_out)
    if not kept:
        why = "".join(f"; {note}" for note in left_out_notes(left_out))
        raise UserError(f"{file}: no column can be a feature beside the target {learned!r}{why}; add some")
    why = whole_numbers_hint(sample, learned, number=number) if kind is None else ""
    hint = "; choose another with --target COLUMN" if target is None and rest else ""
    learned_as = "a number" if number else "a class"
    notes = [f"target: column {learned!r}, {learned_as}{why}{hint}", *notes]
    notes += group_notes(sample, group, None if number else learned, rest)
    notes += left_out_notes(left_out)
    settings = Table(
        kind="table",
        file=files,
        target=learned,
        number=number,
        missing=columns.missing,
        columns=kept if len(kept) < len(sample.text) - len({learned, split, group} - {None}) else None,
        empty="median",
        split=split,
        group=group,
        classes=None,
    )
    return settings, notes


def refuse_many_classes(sample: TableSample, file: str, column: str) -> None:
    """Ask whether a column is to be learned that was chosen as the last one, and has a class for every few rows.

    Raises:
        UserError: it has.
    """
    count, filled = len(sample.values(column)), len(sample.text[column]) - sample.text[column].null_count
    if count > MAX_INTEGER_CLASSES and FEW_ROWS * count > filled:
        raise UserError(
            f"{file}: which column is to be learned? Say so with --target COLUMN; the last one, {column!r}, has "
            f"{count} classes in {filled} rows; there are: {listed([repr(name) for name in sample.text], most=12)}"
        )


def whole_numbers_hint(sample: TableSample, column: str, *, number: bool) -> str:
    """Return how a target of whole numbers could be meant as well; empty for other values."""
    values = [value for value in sample.values(column) if value not in NO_LABEL]
    if not all(WHOLE.fullmatch(value) for value in values):
        return ""
    other = f"{column}={'class' if number else 'number'}"
    count = f"{'more than' if number else 'at most'} {MAX_INTEGER_CLASSES} whole numbers"
    return f", as it has {count} (else --target {other})"


def left_out_notes(columns: dict[str, str]) -> Notes:
    """Return which columns are not used as features, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, why in columns.items():
        by_reason.setdefault(why, []).append(repr(name))
    return [f"left out: {', '.join(names)} ({why})" for why, names in by_reason.items()]
