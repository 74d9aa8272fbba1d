"""Which column of a table of image files has which role."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sprout.config.formats import Paths
from sprout.data.formats.joined_table import described
from sprout.data.formats.labels import NO_LABEL, target_text
from sprout.data.formats.values import floats
from sprout.data.importing.class_list import class_list
from sprout.data.importing.split_columns import is_fold, split_column
from sprout.data.importing.table_columns import (
    LABEL_COLUMNS,
    MAX_INTEGER_CLASSES,
    MINUS_ONE,
    ROW_COLUMNS,
    ask_what_is_missing,
    group_notes,
    one_hot_columns,
    several_classes,
)
from sprout.data.importing.table_sample import Columns, Notes, TableSample
from sprout.runtime.errors import UserError, listed


def paths_format(
    sample: TableSample, root: Path, files: str | tuple[str, ...], path: str, columns: Columns, kind: str | None
) -> tuple[Paths, Notes]:
    """Return the settings of the format `paths`.

    Args:
        sample: the table.
        root: the data's folder.
        files: its name, or those of several.
        path: the column of the images.
        columns: those that are known.
        kind: class, where the user says that the values of the target are classes.

    Raises:
        UserError: it is not clear which column is the label.
    """
    file, (split, notes) = described(files), split_column(sample)
    group = columns.group
    rest = [name for name in sample.text if name not in (path, split, group) and name.lower() not in ROW_COLUMNS]
    rest = [name for name in rest if name == columns.target or not is_fold(name)]
    others = [name for name in rest if sample.names_images(name) and name != columns.target]
    rest = [name for name in rest if name not in others]
    label = columns.target or label_column(sample, file, rest)
    classes = sample.table.classes.get(label) if isinstance(label, str) else None
    # With named classes, Hugging Face writes -1 where an example has none.
    missing = columns.missing or (MINUS_ONE if classes else None)
    if isinstance(label, str) and kind is None:
        refuse_numbers(sample, file, label)
    if isinstance(label, str) and kind is None and missing is None:
        ask_what_is_missing(sample.values(label), f"{file}: column {label!r}", label)
    if isinstance(label, str) and kind is None and classes is None:
        named = named_classes(sample, root, label, missing)
        classes, notes = named[0], [*named[1], *notes]
    notes = [f"images: column {path!r}", label_note(label), *notes, *group_notes(sample, group, label, rest)]
    notes += [
        f"column {name!r} names images, too, which are not read; to learn from them as well, write a row for each "
        "image, and a column `group` with what both belong to"
        for name in others
    ]
    settings = Paths(
        kind="paths",
        file=files,
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


def named_classes(
    sample: TableSample, root: Path, label: str, missing: str | None
) -> tuple[tuple[str, ...] | None, Notes]:
    """Return the names of numbered classes, if a list of them lies beside the table; and a note of it."""
    labels = [value for value in sample.values(label) if value not in (*NO_LABEL, missing)]
    folder = root / Path(sample.table.tables[0].name).parent
    found = class_list([root, folder], labels)
    if found is None:
        return None, []
    if found.names is None:
        why = "its names do not fit the labels, whole numbers from 0 on, one name for each"
        return None, [f"{found.file} is not used as class names: {why}"]
    return found.names, [f"class names: {found.file}"]


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


def refuse_numbers(sample: TableSample, file: str, column: str) -> None:
    """Ask whether the label is a number to learn: fractions, or many whole numbers in a column of no usual name.

    Raises:
        UserError: it is, judging by the values.
    """
    values, valid = floats(target_text(pa.array(sample.values(column))).drop_null())
    fractions = bool((values % 1 != 0).any())
    many = len(values) > MAX_INTEGER_CLASSES and column != sample.column_named(LABEL_COLUMNS)
    if valid.all() and (fractions or many):
        raise UserError(
            f"{file}: column {column!r} has {len(values)} different numbers, such as {values[0]:g}; of images, only "
            f"classes are learned. If each of these numbers is a class: --target {column}=class"
        )


def label_note(label: str | tuple[str, ...] | None) -> str:
    """Return which columns hold the labels."""
    if isinstance(label, tuple):
        return f"labels: one column for each class, {listed([repr(name) for name in label])}"
    return "labels: none" if label is None else f"labels: column {label!r}"
