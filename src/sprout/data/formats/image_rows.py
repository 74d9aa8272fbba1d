"""The rows of tables that each stand for an image, and the listing that they make."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Paths
from sprout.data.formats.embedded_images import Embedded
from sprout.data.formats.folder_names import shared_words, split_of, split_of_path, table_stem
from sprout.data.formats.labels import (
    class_names,
    one_hot_labels,
    rows_without_target,
    split_names,
    target_text,
    with_secret_splits,
    with_unlabelled,
)
from sprout.data.formats.text_table import TextTable, require_columns
from sprout.data.formats.values import row_names, trimmed
from sprout.data.listing import TEXT, Faults, Files, Listing, add_faults, merge_faults, same_fault

SHOWN = 5


class Rows(NamedTuple):
    """The N rows of one table, or of several. Arrays are (N,) large_string."""

    paths: pa.Array
    """As written."""
    columns: dict[str, pa.Array]
    """By their names: trimmed, null where empty."""
    files: pa.Array
    """Relative to the data folder, "" where there is a fault."""
    names: pa.Array
    """Table and number of the row."""
    splits: pa.Array
    """What the folders of a file say, or the names of the tables."""
    faults: Faults
    """Of the files."""


def listing_of(rows: Rows, settings: Paths, examples: Files, others: pa.Array) -> Listing:
    """Return the listing of rows, whose images are examples, and of further images without labels."""
    given, label_faults = labels_of(rows, settings)
    labels, unknown = (None, {}) if given is None else class_names(given, settings.classes)
    splits, split_faults, notes = splits_of_rows(rows, settings, given)
    if len(others) and splits is None:
        splits = pa.nulls(len(rows.files), TEXT)
    missing = [] if given is None else rows_without_target(given, splits).tolist()
    faults = merge_faults(
        rows.faults,
        split_faults,
        same_fault(missing, f"no label in column {', '.join(label_columns(settings))}"),
        label_faults,
        unknown,
        repeated_files(rows.files, given),
    )
    groups = None if settings.group is None else rows.columns[settings.group]
    return Listing(
        examples,
        extended(origins(rows, faults), others),
        label=None if labels is None else extended(labels, pa.nulls(len(others), TEXT)),
        split=None if splits is None else extended(splits, repeated("unlabelled", len(others))),
        group=None if groups is None else extended(groups, pa.nulls(len(others), TEXT)),
        classes=None if settings.classes is None or labels is None else list(settings.classes),
        faults=faults,
        notes=notes,
    )


def rows_of_tables(tables: Sequence[str], embedded: Iterable[Embedded]) -> Iterator[Rows]:
    """Yield the rows of each table that holds its images.

    Args:
        tables: their names.
        embedded: what each holds.
    """
    shared = shared_words([table_stem(table) for table in tables])
    for table, found in zip(tables, embedded, strict=True):
        count = len(found.files)
        split = split_of(table_stem(table), shared) or split_of_path(table)
        columns = {name: trimmed(column) for name, column in found.columns.items()}
        names = row_names(table, count)
        yield Rows(pa.nulls(count, TEXT), columns, found.files, names, repeated(split, count), found.faults)


def used_columns(table: TextTable, settings: Paths, *, without_labels: bool = False) -> list[str]:
    """Return the columns that the settings name, apart from that of the images.

    Args:
        table: the table.
        settings: which columns are what.
        without_labels: whether the table may lack the labels.

    Raises:
        UserError: the table lacks one.
    """
    labels = label_columns(settings)
    needed = [name for name in labels if not (without_labels and set(labels).isdisjoint(table.columns))]
    require_columns(table, settings.path, *needed, settings.split, settings.group)
    return [name for name in (*labels, settings.split, settings.group) if name is not None]


def label_columns(settings: Paths) -> tuple[str, ...]:
    """Return the columns that say which class an image has."""
    if settings.label is None:
        return ()
    return (settings.label,) if isinstance(settings.label, str) else settings.label


def joined(tables: Iterable[Rows]) -> Rows:
    """Return the rows of all tables, in turn."""
    several = list(tables)
    if len(several) == 1:
        return several[0]
    faults, start = dict[int, str](), 0
    for rows in several:
        add_faults(faults, rows.faults, start)
        start += len(rows.files)
    columns = {name: pa.concat_arrays([rows.columns[name] for rows in several]) for name in several[0].columns}
    paths, files, names, splits = (pa.concat_arrays([rows[place] for rows in several]) for place in (0, 2, 3, 4))
    return Rows(paths, columns, files, names, splits, faults)


def labels_of(rows: Rows, settings: Paths) -> tuple[pa.Array | None, Faults]:
    """Return the label of each row as text, null where there is none; and the faults."""
    if settings.label is None:
        return None, {}
    if isinstance(settings.label, str):
        return target_text(rows.columns[settings.label], settings.missing), {}
    return one_hot_labels({name: rows.columns[name] for name in settings.label})


def splits_of_rows(rows: Rows, settings: Paths, labels: pa.Array | None) -> tuple[pa.Array | None, Faults, list[str]]:
    """Return the split of each row, null where it is to be drawn, None where all are; the faults; and notes."""
    splits, faults = (None, {}) if settings.split is None else split_names(rows.columns[settings.split], settings.split)
    if settings.folder_splits:
        splits = rows.splits if splits is None else pc.coalesce(splits, rows.splits)
    if labels is None:
        return splits, faults, []
    notes: list[str] = []
    if splits is not None and settings.split is None:
        splits, notes = with_secret_splits(splits, labels)
    return with_unlabelled(splits, labels), faults, notes


def extended(column: pa.Array, values: pa.Array) -> pa.Array:
    """Append values to a column."""
    return pa.concat_arrays([column, values]) if len(values) else column


def repeated(text: str | None, count: int) -> pa.Array:
    """Return a text so many times: (count,) large_string."""
    return pa.array([text], TEXT).take(pa.array(np.zeros(count, np.int64)))


def repeated_files(files: pa.Array, labels: pa.Array | None) -> Faults:
    """Return the rows that name a file again, and all rows of a file with several labels."""
    encoded = files.dictionary_encode()
    codes = encoded.indices.to_numpy()
    repeated = np.bincount(codes, minlength=len(encoded.dictionary)) > 1
    repeated[np.asarray(pc.equal(encoded.dictionary, ""))] = False
    rows = np.flatnonzero(repeated[codes])
    by_file: dict[int, list[int]] = {}
    for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True):
        by_file.setdefault(code, []).append(row)
    faults: Faults = {}
    for same in by_file.values():
        names = [] if labels is None else labels.take(pa.array(same)).to_pylist()
        if len(set(names)) > 1:
            listed = ", ".join(f"row {row + 1} {name!r}" for row, name in zip(same[:SHOWN], names, strict=False))
            more = f" and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
            faults |= same_fault(same, f"conflicting labels for the same file: {listed}{more}")
        else:
            faults |= same_fault(same[1:], f"same file as row {same[0] + 1}")
    return faults


def origins(rows: Rows, faults: Faults) -> pa.Array:
    """Return the row of each example, with the path of a faulty one: (N,) large_string."""
    faulty = np.array(sorted(faults), np.int64)
    if not len(faulty):
        return rows.names
    names, paths = (column.take(pa.array(faulty)) for column in (rows.names, rows.paths.cast(TEXT)))
    known = pc.not_equal(paths.fill_null(""), "")
    named = pc.binary_join_element_wise(names, paths.fill_null(""), pa.scalar(": ", TEXT))
    mask = np.zeros(len(rows.names), bool)
    mask[faulty] = True
    return pc.replace_with_mask(rows.names, pa.array(mask), pc.if_else(known, named, names))
