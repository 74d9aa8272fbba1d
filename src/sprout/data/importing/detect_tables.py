"""Detect whether the rows of a table are image paths, pixels or features, and which column has which role."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sprout.config.formats import Paths, Pixels, Table
from sprout.data.formats.csv_file import CsvFile
from sprout.data.formats.file_tree import IMAGE_SUFFIXES, Finder
from sprout.data.formats.labels import NO_LABEL, NUMBER
from sprout.data.formats.paths import table_files
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.text_table import ParquetFile, open_table
from sprout.data.formats.values import bytes_of
from sprout.data.importing.table_columns import (
    LABEL_COLUMNS,
    MAX_INTEGER_CLASSES,
    MINUS_ONE,
    ROW_COLUMNS,
    UNSAID,
    Columns,
    TableSample,
    group_column,
    is_number,
    one_hot_columns,
    path_column,
    possible_groups,
    read_sample,
    refuse_negative,
    several_classes,
    split_column,
    unusable_features,
)
from sprout.runtime.errors import UserError, listed

PIXEL = re.compile(r"(pixel|px|p)?[ _-]?[0-9]+|[0-9]+x[0-9]+", re.IGNORECASE)
"""Names of a column with one pixel."""
WHOLE = re.compile(r"[+-]?[0-9]+(\.0+)?")
"""A whole number, also written 1.0."""
MAX_FAULTY_ROWS = 0.1
"""If more rows have an entry that is no pixel, such as 300 or 0.5, the columns hold features."""
MIN_PIXELS = 16
"""A table with fewer pixel columns holds features."""

Notes = list[str]
"""What was chosen, for the user."""


def detect_table(root: Path, file: str, columns: Columns = UNSAID) -> tuple[Paths | Pixels | Table, Notes]:
    """Detect the format of one table.

    Args:
        root: the data's folder.
        file: the table, relative to it; `*` stands for any folder.
        columns: what the user says of its columns.

    Raises:
        UserError: it is not a table, has no such column, or names images that do not exist.
    """
    first = table_files(root, file)[0]
    sample = read_sample(open_table(root, first))
    target, kind = split_target(columns.target, sample, file)
    refuse_data_as_header(sample, root, first)
    if has_pixels(sample) and target is None:
        if label := sample.column_named([*LABELS, "emotion"]):
            refuse_negative(sample.values(label), f"{file}: column {label!r}", label)
        return pixels_format(sample, file, None)
    path = path_column(sample, root, first)
    group = group_column(sample, columns.group, path)
    if path is None:
        return features_format(sample, file, Columns(target, group, columns.missing), kind)
    if kind == "number":
        raise UserError(
            f"{' '.join(columns.options)}: the rows of {file} are images, of which only classes are learned"
        )
    return paths_format(sample, file, path, Columns(target, group, columns.missing), kind)


def split_target(target: str | None, sample: TableSample, file: str) -> tuple[str | None, str | None]:
    """Return the column that `--target` names, and class or number, if it says so.

    Raises:
        UserError: there is no such column.
    """
    if target is None or target in sample.text:
        return target, None
    column, _, kind = target.rpartition("=")
    if column in sample.text and kind in ("class", "number"):
        return column, kind
    raise UserError(
        f"--target={target}: {file} has no such column; there are: {', '.join(map(repr, sample.text))}; COLUMN=class "
        "and COLUMN=number say what its values are"
    )


def refuse_data_as_header(sample: TableSample, root: Path, file: str) -> None:
    """Refuse a table whose first line is evidently its first row: an existing file, or nothing but numbers.

    Raises:
        UserError: it is.
    """
    finder = Finder(root, str(Path(file).parent))
    names = sample.table.columns
    is_row = all(NUMBER.fullmatch(name) for name in names) or any(
        name.lower().endswith(IMAGE_SUFFIXES) and finder.find(name, by_name=False)[1] is None for name in names
    )
    if is_row:
        raise UserError(
            f"{file}: its first line is a row ({', '.join(names[:3])}{', …' if len(names) > 3 else ''}), not the names "
            "of the columns; put a line above it such as path,label"
        )


def detect_train_test_pair(root: Path, files: list[str]) -> tuple[Pixels, Notes] | None:
    """Detect two tables of pixels with the same columns, one named after `train` and one after `test`."""
    roles = {role: [file for file in files if role in Path(file).stem.lower()] for role in ("train", "test")}
    if len(files) != 2 or any(len(named) != 1 for named in roles.values()):
        return None
    train, test = (read_sample(open_table(root, roles[role][0])) for role in ("train", "test"))
    if train.table.columns != test.table.columns or not has_pixels(train):
        return None
    return pixels_format(train, roles["train"][0], roles["test"][0])


def has_pixels(sample: TableSample) -> bool:
    """Whether it is one of the two common tables of pixels, see `config.formats.Pixels`; a few rows may be faulty."""
    if not isinstance(sample.table, CsvFile):
        return False
    if {"emotion", "pixels"} <= {name.lower() for name in sample.text}:
        return True
    label, *others = sample.table.columns
    named = label.lower() in LABELS and len(others) >= MIN_PIXELS and all(PIXEL.fullmatch(name) for name in others)
    square = named and square_shape(len(others)) is not None
    if not square:
        return False
    faulty = ~np.all([bytes_of(sample.text[name])[1] for name in others], axis=0)
    return bool(faulty.mean() <= MAX_FAULTY_ROWS)


def pixels_format(sample: TableSample, train: str, test: str | None) -> tuple[Pixels, Notes]:
    """Return the settings of the format `pixels`.

    Raises:
        UserError: no square image has this number of pixels.
    """
    packed = sample.column_named(["pixels"])
    count = len(sample.values(packed)[0].split()) if packed and sample.values(packed) else len(sample.text) - 1
    shape = square_shape(count)
    if shape is None:
        raise UserError(
            f"{train}: {count} pixels a row are not a square image, grey or colour; write conf/download/NAME.yaml by "
            "hand with shape: [height, width, channels]"
        )
    grey = shape[2] == 1
    notes = [f"{count} pixels a row: {shape[0]}×{shape[1]}, {'grey' if grey else 'red, green, blue in turn'}"]
    notes += [f"test split: {test}"] if test else []
    settings = Pixels(kind="pixels", train=train, test=test, shape=None if grey else shape, classes=None)
    return settings, notes


def square_shape(pixels: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of a square image with this many values, or None."""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if channels * side**2 == pixels:
            return side, side, channels
    return None


def paths_format(sample: TableSample, file: str, path: str, columns: Columns, kind: str | None) -> tuple[Paths, Notes]:
    """Return the settings of the format `paths`.

    Args:
        sample: the table.
        file: its name.
        path: the column of the images.
        columns: those that are known.
        kind: class, where the user says that the values of the target are classes.

    Raises:
        UserError: it is not clear which column is the label.
    """
    split, notes = split_column(sample)
    group = columns.group
    rest = [name for name in sample.text if name not in (path, split, group) and name.lower() not in ROW_COLUMNS]
    label = columns.target or label_column(sample, file, rest)
    names = sample.table.classes if isinstance(sample.table, ParquetFile) else {}
    classes = names.get(label) if isinstance(label, str) else None
    # With named classes, Hugging Face writes -1 where an example has none.
    missing = columns.missing or (MINUS_ONE if classes else None)
    if isinstance(label, str) and kind is None and missing is None:
        refuse_negative(sample.values(label), f"{file}: column {label!r}", label)
    notes = [f"images: column {path!r}", label_note(label), *notes, *group_notes(sample, group, label, rest)]
    settings = Paths(
        kind="paths",
        file=file,
        path=path,
        label=label,
        missing=missing,
        split=split,
        folder_splits=split is None,
        group=group,
        unlisted="ignored",
        classes=classes,
    )
    return settings, notes


def label_column(sample: TableSample, file: str, columns: Sequence[str]) -> str | tuple[str, ...] | None:
    """Return which of these columns of a table of images is the label, or which are one for each class.

    Raises:
        UserError: there are some, but no telling which; or an image has several classes.
    """
    if not columns:
        return None
    usual = sample.column_named(LABEL_COLUMNS)
    chosen = usual if usual in columns else columns[0] if len(columns) == 1 else None
    if chosen is None and (classes := one_hot_columns(sample, columns)):
        return classes
    if chosen is None:
        raise UserError(
            f"{file}: which column is the label? Say so with --target COLUMN; there are: "
            f"{listed([repr(name) for name in columns], most=12)}"
        )
    if several := several_classes(sample, chosen):
        raise UserError(
            f"{file}: column {chosen!r} names several classes of an image, such as {several!r}; one class of each is "
            f"what can be learned. If these are names of single classes: --target {chosen}"
        )
    return chosen


def label_note(label: str | tuple[str, ...] | None) -> str:
    """Return which columns hold the labels."""
    if isinstance(label, tuple):
        return f"labels: one column for each class, {listed([repr(name) for name in label])}"
    return "labels: none" if label is None else f"labels: column {label!r}"


def features_format(sample: TableSample, file: str, columns: Columns, kind: str | None) -> tuple[Table, Notes]:
    """Return the settings of the format `table`.

    Args:
        sample: the table.
        file: its name.
        columns: those that are known.
        kind: class or number; None judges by the values.

    Raises:
        UserError: no column can be a feature.
    """
    split, notes = split_column(sample)
    target, group = columns.target, columns.group
    last = next(name for name in reversed(sample.text) if name not in (split, group))
    learned = target or sample.column_named(LABELS) or last
    number = is_number(sample.table, learned, columns.missing) if kind is None else kind == "number"
    if kind is None and columns.missing is None:
        refuse_negative(sample.values(learned), f"{file}: column {learned!r}", learned)
    rest = [name for name in sample.text if name not in (learned, split, group)]
    left_out = unusable_features(sample, rest)
    kept = tuple(name for name in rest if name not in left_out)
    if not kept:
        raise UserError(f"{file}: no column can be a feature beside the target {learned!r}; add some")
    why = whole_numbers_hint(sample, learned, number=number) if kind is None else ""
    hint = "; choose another with --target COLUMN" if target is None and rest else ""
    learned_as = "a number" if number else "a class"
    notes = [f"target: column {learned!r}, {learned_as}{why}{hint}", *notes]
    notes += group_notes(sample, group, None if number else learned, rest)
    notes += left_out_notes(left_out)
    settings = Table(
        kind="table",
        file=file,
        target=learned,
        number=number,
        missing=columns.missing,
        columns=kept if left_out else None,
        empty="median",
        split=split,
        group=group,
        classes=None,
    )
    return settings, notes


def whole_numbers_hint(sample: TableSample, column: str, *, number: bool) -> str:
    """Return how a target of whole numbers could be meant as well; empty for other values."""
    values = [value for value in sample.values(column) if value not in NO_LABEL]
    if not all(WHOLE.fullmatch(value) for value in values):
        return ""
    other = f"{column}={'class' if number else 'number'}"
    count = f"{'more than' if number else 'at most'} {MAX_INTEGER_CLASSES} whole numbers"
    return f", as it has {count} (else --target {other})"


def group_notes(
    sample: TableSample, group: str | None, label: str | tuple[str, ...] | None, others: Sequence[str]
) -> Notes:
    """Return which column holds the groups, or which of the others may do so."""
    if group is not None:
        return [f"groups: column {group!r}"]
    if not isinstance(label, str):
        return []
    return [
        f"column {name!r} repeats, with one label for each value: is it a group, whose rows must stay in one split? "
        f"--group {name!r}"
        for name in possible_groups(sample, [name for name in others if name != label], label)
    ]


def left_out_notes(columns: list[str]) -> Notes:
    """Return which columns are not used as features, and why."""
    if not columns:
        return []
    return [f"left out, because they identify rows, hold free text or are empty: {', '.join(map(repr, columns))}"]
