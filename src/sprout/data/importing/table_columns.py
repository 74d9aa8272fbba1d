"""What the columns of a table are for, judged by usual names and by their values."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.feature_columns import UNKNOWN, Survey, entries_of, is_written_out
from sprout.data.formats.finder import Finder
from sprout.data.formats.folder_names import words_of
from sprout.data.formats.labels import NO_LABEL, ONE, ZERO, target_text
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.text_table import TextTable, text_columns
from sprout.data.formats.values import floats, trimmed
from sprout.data.importing.table_sample import Notes, TableSample
from sprout.runtime.errors import UserError

PATH_COLUMNS = (
    *("path", "file", "filename", "image", "filepath", "imagepath", "img", "imagefile", "filepaths", "imagename"),
    *("imageid", "imgid", "photo", "picture", "name", "id"),
)
GROUP_COLUMNS = tuple(
    what + ending
    for what in ("patient", "subject", "person", "participant", "individual", "donor", "lesion", "case", "group")
    for ending in ("id", "")
)
TARGET_COLUMNS = (*LABELS, "labels", "diagnosis", "species")
"""Usual names of a target in a table of features, the most usual first."""
LABEL_COLUMNS = (
    *(*LABELS, "labels", "cls", "classname", "labelname", "classlabel", "category", "diagnosis", "dx", "species"),
    *("classid", "choice"),
)
"""Usual names of a label's column in a table of images, the most usual first."""
NAMING = {"id", "uid", "image", "img", "file", "filename", "photo", "picture", "scan", "slide", "name"}
"""Words of a column that may name images without their suffix, such as isic_id and image_code."""
ROW_COLUMNS = ("id", "index", "row", "no", "unnamed: 0", "")
"""Columns that only identify the row."""
ID_NAME = re.compile(r".*([a-z0-9](ID|Id)|[ _-](id|Id|ID))")
"""Names such as PassengerId and customer_id."""
NEGATIVE = re.compile("-[1-9][0-9]*")
MINUS_ONE = "-1"
"""How scikit-learn writes that a label is missing, as a rule."""

MAX_INTEGER_CLASSES = 20
"""Integers with at most this many different values are classes."""


def path_column(sample: TableSample, root: Path, file: str) -> str | None:
    """Return the column whose values are existing image files, or that holds the images itself, or None.

    Raises:
        UserError: a column names image files, but they do not exist relative to the table.
    """
    if held := sample.table.images:
        return next((name for name in PATH_COLUMNS if name in held), held[0])
    finder = Finder(root, str(Path(file).parent))
    usual = sample.column_named(PATH_COLUMNS)
    problem = None
    for column in sorted(sample.text, key=lambda name: (name != usual, not sample.names_images(name))):
        values, images = sample.values(column), sample.names_images(column)
        naming = column == usual or not NAMING.isdisjoint(words_of(column))
        by_name = images or (naming and sample.is_unique(column))
        finder.relocate(values)
        faults = [fault for value in values if (fault := finder.find(value, by_name=by_name)[1])]
        if values and 2 * len(faults) < len(values):
            return column
        if images and problem is None:
            fault = finder.find(values[0])[1] or faults[0]
            problem = f"column {column!r} names image files such as {values[0]!r}: {fault}"
    if problem:
        raise UserError(f"{sample.table.name}: {problem} (searched from the table's folder)")
    return None


def group_column(sample: TableSample, given: str | None, path: str | None = None) -> str | None:
    """Return the column of groups: the one that is given, or one with a usual name that is not the path.

    Raises:
        UserError: there is no such column.
    """
    if given is not None and given not in sample.text:
        raise UserError(f"--group={given}: no such column; there are: {', '.join(map(repr, sample.text))}")
    usual = sample.column_named(GROUP_COLUMNS)
    return given if given is not None else None if usual == path else usual


def possible_groups(sample: TableSample, columns: Sequence[str], label: str) -> list[str]:
    """Return which of these columns may be groups: values that repeat, and of which each has one label."""
    labels = trimmed(sample.text[label])
    found = []
    for column in columns:
        values = trimmed(sample.text[column])
        pairs = {pair for pair in zip(values.to_pylist(), labels.to_pylist(), strict=True) if None not in pair}
        count, classes = len(values.unique().drop_null()), len(labels.unique().drop_null())
        # A column with about as many values as there are classes is another way to write the label.
        measured = floats(values)[1].all() and not ID_NAME.fullmatch(column)
        if 2 * classes < count <= len(values) // 2 and len(pairs) == count and not measured:
            found.append(column)
    return found


def one_hot_columns(sample: TableSample, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Return these columns if there are several and each has only 0 and 1, one of them 1 in most rows; else None."""
    if len(columns) < 2 or not all(set(sample.values(name)) <= {*ONE, *ZERO} for name in columns):
        return None
    ones = np.stack([np.asarray(pc.is_in(trimmed(sample.text[name]), pa.array(ONE))) for name in columns]).sum(axis=0)
    return tuple(columns) if 2 * int((ones == 1).sum()) > len(ones) else None


def ask_what_is_missing(values: Sequence[str], what: str, target: str | None) -> None:
    """Ask what `?` means among labels, or a single negative number among those that are whole numbers from 0 on.

    Args:
        values: the distinct labels.
        what: where they are, for the message.
        target: what `--target` calls them; None where no option says what they are.

    Raises:
        UserError: there is one.
    """
    known = {value for value in values if value not in NO_LABEL}
    negative = [value for value in known if NEGATIVE.fullmatch(value)]
    alone = len(negative) == 1 and all(value.isdecimal() for value in known - {*negative})
    marks = [value for value in known if value == UNKNOWN] or (negative if alone else [])
    if marks and len(known) > 2:
        (value,) = marks
        written = "'?'" if value == UNKNOWN else value
        remedy = (
            f"if it stands for a missing label, add --missing={written}; if it is a class, --target {target}=class; if "
            "it is a mistake, correct it"
        )
        if target is None:
            remedy = "correct it, or leave its examples out"
        others = "other labels" if value == UNKNOWN else "numbers from 0 on"
        raise UserError(f"{what} has {value} beside {others}: {remedy}")


def several_classes(sample: TableSample, column: str) -> str | None:
    """Return an example of entries that name several classes, such as "road water"; None if they do not.

    Their words, taken apart, are fewer than the entries, and an entry has now one and now several.
    """
    values = sample.values(column)
    words = [[word for word in re.split(r"[\s,;|]+", value) if word] for value in values]
    single, several = (any((len(each) > 1) == many for each in words) for many in (False, True))
    if not (single and several) or len({word for each in words for word in each}) >= len(values):
        return None
    return next(value for value, each in zip(values, words, strict=True) if len(each) > 1)


def is_number(table: TextTable, column: str, missing: str | None) -> bool:
    """Whether a target is a number: every value is one, and they are not just a few different integers."""
    values = target_text(trimmed(text_columns(table, [column])[column]).unique(), missing).drop_null()
    numbers, valid = floats(values)
    few = len(np.unique(numbers)) <= MAX_INTEGER_CLASSES
    return bool(valid.all()) and (not few or bool((numbers % 1 != 0).any()))


def unusable_features(sample: TableSample, columns: Sequence[str]) -> dict[str, str]:
    """Return the columns that cannot be features, each with the reason."""
    surveys = [Survey(name, name) for name in columns]
    for batch in sample.table.batches(columns):
        for survey in surveys:
            survey.update(entries_of(batch, survey.name, survey.what))
    reasons = {each.name: why_unusable(sample, each) for each in surveys}
    return {name: why for name, why in reasons.items() if why}


def why_unusable(sample: TableSample, survey: Survey) -> str | None:
    """Return why the format `table` should not have a column as a feature, or does not accept it; None if it does."""
    if identifies_rows(sample, survey.name):
        return "identifies rows"
    if not survey.filled:
        return "empty"
    if survey.written.found is None and survey.is_written_out:
        return f"numbers or times with signs in them, such as {min(survey.values)!r}; write plain numbers to use them"
    try:
        survey.feature(fill=True)
    except UserError:
        return "free text"
    return None


def identifies_rows(sample: TableSample, column: str) -> bool:
    """Whether a column only identifies the row: by its name, and by distinct values for one such as PassengerId."""
    return column.lower() in ROW_COLUMNS or bool(ID_NAME.fullmatch(column) and sample.is_unique(column))


def refuse_written_out(sample: TableSample, file: str, column: str) -> None:
    """Refuse numbers with signs in them as classes, such as $1,200.

    Raises:
        UserError: a target has them.
    """
    values = sample.values(column)
    if is_written_out(values):
        raise UserError(
            f"{file}: the target {column!r} has numbers or times with signs in them, such as {values[0]!r}; write "
            f"plain numbers to learn them, or --target {column}=class if they are classes"
        )


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
