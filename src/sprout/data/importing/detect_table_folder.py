"""Which of the tables in a folder is read, and what it says of the files beside it."""

from collections.abc import Sequence
from pathlib import Path

from sprout.config.formats import Folders, Format, Paths
from sprout.data.formats.file_tree import Entry, is_text, visible_entries
from sprout.data.formats.joined_table import open_tables, refuse_missing_parts
from sprout.data.formats.path_list import LIST_SUFFIX, is_path_list
from sprout.data.formats.text_table import TABLE_SUFFIXES
from sprout.data.importing.detect_pixels import detect_train_test_pair
from sprout.data.importing.detect_tables import detect_table
from sprout.data.importing.split_tables import Tables, alike_splits, detect_split_tables, files_of, find_split_tables
from sprout.data.importing.table_sample import GUIDE, Columns
from sprout.runtime.errors import UserError, listed

MAX_LISTS = 20
"""With more texts in a folder, each describes an image."""


def detect_tables(
    root: Path, names: list[str], columns: Columns, folders: Folders | None, *, images: bool
) -> tuple[Format, list[str]]:
    """Detect the format of a folder with tables at its top level, or in its folders.

    Args:
        root: the folder.
        names: of the tables, relative to it.
        columns: what the user says of their columns.
        folders: the format of the folders beside the tables, if they name classes.
        images: whether there are other files than tables.

    Raises:
        UserError: it is not clear which table to read, or what it says of the images.
    """
    refuse_missing_parts(root, names)
    if pair := detect_train_test_pair(root, names):
        return pair
    several = find_split_tables(root, names)
    tables: list[Tables] = [name for name in names if several is None or name not in several.files]
    tables += [] if several is None else [several]
    if not images and len(tables) == 1:
        return detect(root, tables[0], columns)
    labelled = tables_with_labels(root, tables, columns)
    if len(labelled) > 1:
        labelled = {several: labelled[several]} if several in labelled else alike_splits(labelled)
    if len(labelled) == 1:
        ((chosen, (detected, notes)),) = labelled.items()
        rest = [name for name in names if name not in files_of(chosen)]
        return detected, [*notes, *([f"not read: {listed(rest)}"] if rest else [])]
    if folders and not labelled:
        return folders, [f"{listed(names)}: not read; to use a table: --from {root / names[0]}"]
    if labelled or not images:
        raise UserError(
            f"{root}: several tables ({listed(names)}){differences(root, names)}; name the one to read, or join them "
            f"into one with a column `split`; see {GUIDE}"
        )
    if len(tables) == 1:
        detect(root, tables[0], columns)  # to say what is wrong with it
    raise UserError(
        f"{root}: the images are in no class folders, and no column of {listed(names)} names them and another their "
        f"labels; write a table path,label, see {GUIDE}. To learn without labels, name a folder of images without a "
        "table"
    )


def differences(root: Path, names: Sequence[str]) -> str:
    """Return which columns not all of several tables have; empty if they have the same ones, or one cannot be read."""
    try:
        several = [open_tables(root, name).columns for name in names]
    except UserError:
        return ""
    columns = dict.fromkeys(column for each in several for column in each)
    found = [repr(column) for column in columns if not all(column in each for each in several)]
    return f", of which not all have {listed(found, most=6)}" if found else ""


def detect(root: Path, tables: Tables, columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of a table, or of several."""
    if isinstance(tables, str):
        return detect_table(root, tables, columns)
    return detect_split_tables(root, tables, columns)


def tables_with_labels(
    root: Path, tables: Sequence[Tables], columns: Columns
) -> dict[Tables, tuple[Format, list[str]]]:
    """Return the formats of those tables that name images and their labels."""
    found: dict[Tables, tuple[Format, list[str]]] = {}
    for table in tables:
        try:
            detected, notes = detect(root, table, columns)
        except UserError:  # it is about something else than the images
            continue
        if isinstance(detected, Paths) and detected.label:
            found[table] = detected, notes
    return found


def tables_in(root: Path, folders: list[Entry]) -> list[str]:
    """Return the tables in these folders; `*` stands for the folder of those that several have."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        refuse_partition(folder)
        for entry in tables_among(visible_entries(folder.path)):
            if is_text(entry.name):
                found.setdefault(entry.name, []).append(Path(entry.path).relative_to(root))
    return [str(paths[0] if len(paths) == 1 else paths[0].parent.parent / "*" / name) for name, paths in found.items()]


def refuse_partition(folder: Entry) -> None:
    """Refuse a folder such as `quality=good` with tables in it, whose name is a column of theirs.

    Raises:
        UserError: it is one.
    """
    column, equals, _ = folder.name.partition("=")
    if equals and column.isidentifier() and tables_among(visible_entries(folder.path)):
        raise UserError(
            f"{folder.path}: a partition, whose name is the column {column!r} of its tables, is not read; write one "
            "file: pandas.read_parquet('FOLDER').to_parquet('data.parquet')"
        )


def tables_among(entries: list[Entry]) -> list[Entry]:
    """Return those of the entries of a folder that are tables, or lists of images if they are few."""
    files = [entry for entry in entries if entry.is_file()]
    texts = [entry for entry in files if entry.name.lower().endswith(LIST_SUFFIX)]
    lists = {entry.name for entry in texts if is_path_list(Path(entry.path))} if len(texts) <= MAX_LISTS else set()
    return [entry for entry in files if is_table(entry.name) or entry.name in lists]


def is_table(name: str) -> bool:
    """Whether a file is a table that may say something of the examples, judging by its name."""
    path = Path(name.lower())
    return path.suffix in TABLE_SUFFIXES and "submission" not in path.stem
