"""Tables side by side that are one data set: train.csv beside test.csv, or the parts of a table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sprout.config.formats import Format, Paths, Table
from sprout.data.formats.folder_names import SPLIT_WORDS, are_parts, shared_words, split_of, table_stem, words_of
from sprout.data.formats.joined_table import open_tables
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.text_table import open_table
from sprout.data.importing.detect_pixels import has_pixels
from sprout.data.importing.detect_tables import detect_table, split_target
from sprout.data.importing.table_sample import Columns, read_sample
from sprout.runtime.errors import UserError, listed

TRAIN_FIRST = ("train", "val", "test", "unlabelled")


class SplitTables(NamedTuple):
    """Tables that are read one after another."""

    files: tuple[str, ...]
    """Relative to the data's folder; the first one has all columns."""
    lacking: str | None
    """The column that only some of them have: the label or number to learn, as a rule."""
    without: tuple[str, ...] = ()
    """Those that do not have it."""


Tables = str | SplitTables
"""A table, or several that are one data set."""


def files_of(tables: Tables) -> tuple[str, ...]:
    """Return the names of the tables."""
    return (tables,) if isinstance(tables, str) else tables.files


def find_split_tables(root: Path, names: list[str]) -> SplitTables | None:
    """Return those of these tables that are splits or parts of one; None if there are none.

    They lie in one folder, have the same ending and the same columns; some may lack one of them.
    """
    files = ordered(names)
    if len(files) < 2:
        return None
    try:
        columns = [open_table(root, file).columns for file in files]
    except UserError:  # it is said where such a table is needed
        return None
    lacking = {frozenset(columns[0]) - set(each) for each in columns} - {frozenset()}
    if any(set(each) - set(columns[0]) for each in columns) or len(lacking) > 1:
        return None
    missing = [name for each in lacking for name in each]
    if len(missing) > 1:
        return None
    without = [file for file, each in zip(files, columns, strict=True) if missing and missing[0] not in each]
    return SplitTables(tuple(files), missing[0] if missing else None, tuple(without))


def ordered(names: list[str]) -> list[str]:
    """Return the tables whose names are splits, those of train first, or parts; none if there are no such names."""
    alike = [name for name in names if "*" not in name and place_of(name) == place_of(names[0])]
    stems = {name: table_stem(name) for name in alike}
    shared = shared_words([stem for stem in stems.values() if SPLIT_WORDS.keys() & set(words_of(stem))])
    splits = {name: split for name, stem in stems.items() if (split := split_of(stem, shared)) is not None}
    if "train" in splits.values():
        return sorted(splits, key=lambda name: (TRAIN_FIRST.index(splits[name]), name))
    distinct = set(stems.values())
    return sorted(stems) if len(distinct) == 1 or are_parts(distinct) else []


def place_of(name: str) -> tuple[Path, str]:
    """Return the folder of a table and the ending of its name."""
    return Path(name).parent, Path(name).suffix.lower()


def detect_split_tables(root: Path, tables: SplitTables, columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of tables that are one data set; the column that some lack is the target.

    Raises:
        UserError: as for `detect_table`.
    """
    train, *others = tables.files
    sample, lacking = read_sample(open_tables(root, train)), tables.lacking
    if has_pixels(sample):
        detected, notes = detect_table(root, train, columns)
        return detected, [*notes, not_read(others, lacking)]
    if lacking is None:
        return joined(root, tables.files, columns)
    given, _ = split_target(columns.target, sample, train)
    target = given or sample.column_named(LABELS) or lacking
    complete = tuple(file for file in tables.files if file not in tables.without)
    if target == lacking:
        columns = columns._replace(target=columns.target or lacking)
        whole = detect_table(root, train, columns)[0]
        if not (isinstance(whole, Table) and whole.number):
            return joined(root, tables.files, columns)
    alone = len(complete) == 1
    found = detect_table(root, train, columns) if alone else joined(root, complete, columns)
    return found[0], [*found[1], not_read(tables.without, lacking)]


def not_read(files: Sequence[str], lacking: str | None) -> str:
    """Return that tables are not read, and which column they lack."""
    return f"not read: {listed(list(files))}" + (f", which has no column {lacking!r}" if lacking else "")


def joined(root: Path, files: tuple[str, ...], columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of tables that are read one after another, and say what their names mean."""
    detected, notes = detect_table(root, files, columns)
    return detected, [named_splits(files), *notes]


def named_splits(files: tuple[str, ...]) -> str:
    """Return that the names of tables are splits, or parts."""
    stems = {*map(table_stem, files)}
    parts = are_parts(stems) or len(stems) == 1
    return f"{'parts' if parts else 'splits'}: the names of the tables {listed(files)}"


def alike_splits(labelled: dict[Tables, tuple[Format, list[str]]]) -> dict[Tables, tuple[Format, list[str]]]:
    """Return one format of tables of images whose names are splits and that differ in columns that are not read.

    Args:
        labelled: the format of each table; returned as it is where they do not fit each other.
    """
    files = tuple(ordered([name for name in labelled if isinstance(name, str)]))
    formats = [each for name in files if isinstance(each := labelled[name][0], Paths) and each.split is None]
    alike = {replace(each, file="any") for each in formats}
    if len(formats) < max(2, len(files)) or len(alike) != 1:
        return labelled
    notes = [named_splits(files), *labelled[files[0]][1]]
    return {SplitTables(files, None): (replace(alike.pop(), file=files), notes)}
