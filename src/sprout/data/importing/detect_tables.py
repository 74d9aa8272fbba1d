"""Detect whether the rows of a table are image paths, pixels or features, and which column has which role."""

from itertools import pairwise
from pathlib import Path

from sprout.config.formats import Paths, Pixels, Table
from sprout.data.formats.file_tree import IMAGE_SUFFIXES
from sprout.data.formats.finder import Finder
from sprout.data.formats.joined_table import described, open_tables
from sprout.data.formats.labels import NUMBER
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.values import floats
from sprout.data.importing.detect_feature_table import features_format
from sprout.data.importing.detect_image_table import paths_format
from sprout.data.importing.detect_pixels import has_pixels, pixels_format
from sprout.data.importing.table_columns import ask_what_is_missing, group_column, path_column
from sprout.data.importing.table_sample import UNSAID, Columns, Notes, TableSample, read_sample
from sprout.runtime.errors import UserError


def detect_table(
    root: Path, files: str | tuple[str, ...], columns: Columns = UNSAID
) -> tuple[Paths | Pixels | Table, Notes]:
    """Detect the format of one table, or of several that are read one after another.

    Args:
        root: the data's folder.
        files: the table, relative to it; `*` stands for any folder. Or several tables.
        columns: what the user says of its columns.

    Raises:
        UserError: it is not a table, has no such column, or names images that do not exist.
    """
    sample, file = read_sample(open_tables(root, files)), described(files)
    first = sample.table.tables[0].name
    target, kind = split_target(columns.target, sample, file)
    refuse_data_as_header(sample, root, first)
    if isinstance(files, str) and has_pixels(sample) and target is None:
        if label := sample.column_named([*LABELS, "emotion"]):
            ask_what_is_missing(sample.values(label), f"{file}: column {label!r}", None)
        return pixels_format(sample, file, None)
    path = path_column(sample, root, first)
    group = group_column(sample, columns.group, path)
    if path is None:
        return features_format(sample, files, Columns(target, group, columns.missing), kind)
    if kind == "number":
        raise UserError(
            f"{' '.join(columns.options)}: the rows of {file} are images, of which only classes are learned"
        )
    settings, notes = paths_format(sample, root, files, path, Columns(target, group, columns.missing), kind)
    return settings, [*notes, *moved_notes(sample, path, Finder(root, str(Path(first).parent)))]


def moved_notes(sample: TableSample, path: str, finder: Finder) -> Notes:
    """Return which folder of another machine the paths of a column begin with, and what is taken for it."""
    values = [] if path in sample.table.images else sample.values(path)
    finder.relocate(values)
    if finder.moved is None or finder.find_here(values[0])[1] is None:
        return []
    shared, here = finder.moved
    return [f"paths: {shared!r} is taken for the folder {here!r} here" if here else f"paths: {shared!r} is left off"]


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
    """Refuse a table whose first line is evidently its first row: an existing file, or numbers like those below.

    Raises:
        UserError: it is.
    """
    finder = Finder(root, str(Path(file).parent))
    names = sample.table.columns
    is_row = (
        all(NUMBER.fullmatch(name) for name in names)
        or has_entries_as_names(sample)
        or any(name.lower().endswith(IMAGE_SUFFIXES) and finder.find(name, by_name=False)[1] is None for name in names)
    )
    if is_row:
        raise UserError(
            f"{file}: its first line is a row ({', '.join(names[:3])}{', …' if len(names) > 3 else ''}), not the names "
            "of the columns; put a line above it such as path,label"
        )


def has_entries_as_names(sample: TableSample) -> bool:
    """Whether names of columns are numbers in the range of their entries, and do not simply count the columns."""
    numbers = [name for name in sample.text if NUMBER.fullmatch(name)]
    steps = {float(after) - float(before) for before, after in pairwise(numbers)}
    return bool(numbers) and (len(numbers) == 1 or steps != {1.0}) and all(is_entry(sample, name) for name in numbers)


def is_entry(sample: TableSample, name: str) -> bool:
    """Whether the name of a column is a number in the range of its entries, and all of these are numbers."""
    values, valid = floats(sample.text[name].drop_null())
    return len(values) > 0 and bool(valid.all()) and bool(values.min() <= float(name) <= values.max())
