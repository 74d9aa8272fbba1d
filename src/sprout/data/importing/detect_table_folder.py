"""Which of the tables in a folder is read, and what it says of the files beside it."""

from dataclasses import replace
from pathlib import Path

from sprout.config.formats import Folders, Format, Paths
from sprout.data.formats.file_tree import Entry, is_text, visible_entries
from sprout.data.formats.folder_names import shared_words, split_of, table_stem
from sprout.data.formats.text_table import TABLE_SUFFIXES, open_table
from sprout.data.importing.detect_pixels import detect_train_test_pair, has_pixels
from sprout.data.importing.detect_tables import detect_table
from sprout.data.importing.table_sample import GUIDE, Columns, read_sample
from sprout.runtime.errors import UserError, listed


def detect_tables(
    root: Path, tables: list[str], columns: Columns, folders: Folders | None, *, images: bool
) -> tuple[Format, list[str]]:
    """Detect the format of a folder with tables at its top level, or in its folders.

    Args:
        root: the folder.
        tables: relative to it.
        columns: what the user says of their columns.
        folders: the format of the folders beside the tables, if they name classes.
        images: whether there are other files than tables.

    Raises:
        UserError: it is not clear which table to read, or what it says of the images.
    """
    if pair := detect_train_test_pair(root, tables):
        return pair
    if not images and (found := detect_secret_targets(root, tables, columns)):
        return found
    if not images and len(tables) == 1:
        return detect_table(root, tables[0], columns)
    labelled = tables_with_labels(root, tables, columns)
    if len(labelled) > 1:
        labelled = tables_of_splits(labelled)
    if len(labelled) == 1:
        ((detected, notes),) = labelled.values()
        rest = [name for name in tables if name not in names_of(detected)]
        return detected, [*notes, *([f"not read: {listed(rest)}"] if rest else [])]
    if folders and not labelled:
        return folders, [f"{listed(tables)}: not read; to use a table: --from {root / tables[0]}"]
    if labelled or not images:
        raise UserError(
            f"{root}: several tables ({listed([*(labelled or tables)])}); name the one to read, or join them into one "
            f"with a column `split`; see {GUIDE}"
        )
    if len(tables) == 1:
        detect_table(root, tables[0], columns)  # to say what is wrong with it
    raise UserError(
        f"{root}: the images are in no class folders, and no column of {listed(tables)} names them and another their "
        f"labels; write a table path,label, see {GUIDE}. To learn without labels, name a folder of images without a "
        "table"
    )


def detect_secret_targets(root: Path, tables: list[str], columns: Columns) -> tuple[Format, list[str]] | None:
    """Detect the table to learn from beside one of the test split, which lacks just the target, as in competitions."""
    splits = {split_of(table_stem(name)): name for name in tables}
    if len(tables) != 2 or {*splits} != {"train", "test"}:
        return None
    train, test = (read_sample(open_table(root, splits[name])) for name in ("train", "test"))
    secret = [name for name in train.table.columns if name not in test.table.columns]
    if len(secret) != 1 or len(test.table.columns) != len(train.table.columns) - 1:
        return None
    chosen = columns if columns.target or has_pixels(train) else columns._replace(target=secret[0])
    detected, notes = detect_table(root, splits["train"], chosen)
    return detected, [*notes, f"not read: {splits['test']}, which has no column {secret[0]!r}"]


def tables_with_labels(root: Path, tables: list[str], columns: Columns) -> dict[str, tuple[Format, list[str]]]:
    """Return the formats of those tables that name images and their labels."""
    found: dict[str, tuple[Format, list[str]]] = {}
    for table in tables:
        try:
            detected, notes = detect_table(root, table, columns)
        except UserError:  # it is about something else than the images
            continue
        if isinstance(detected, Paths) and detected.label:
            found[table] = detected, notes
    return found


def tables_of_splits(labelled: dict[str, tuple[Format, list[str]]]) -> dict[str, tuple[Format, list[str]]]:
    """Return one format of those tables whose names are different splits; all as they are where they do not fit."""
    shared = shared_words([table_stem(name) for name in labelled])
    splits = {name: split_of(table_stem(name), shared) for name in labelled}
    parts = {split: name for name, split in splits.items() if split is not None}
    formats = [labelled[name][0] for name in parts.values()]
    alike = {replace(each, file="any") for each in formats if isinstance(each, Paths) and each.split is None}
    if "train" not in parts or len(formats) < len([*filter(None, splits.values())]) or len(alike) > 1 or len(parts) < 2:
        return labelled
    files = tuple(sorted(parts.values()))
    notes = [f"splits: the names of the tables {listed(files)}", *labelled[parts["train"]][1]]
    return {files[0]: (replace(alike.pop(), file=files), notes)} if alike else labelled


def names_of(detected: Format) -> tuple[str, ...]:
    """Return the tables that a format reads."""
    file = detected.file if isinstance(detected, Paths) else ()
    return (file,) if isinstance(file, str) else file


def tables_in(root: Path, folders: list[Entry]) -> list[str]:
    """Return the tables in these folders; `*` stands for the folder of those that several have."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for entry in visible_entries(folder.path):
            if entry.is_file() and is_text(entry.name) and is_table(entry.name):
                found.setdefault(entry.name, []).append(Path(entry.path).relative_to(root))
    return [str(paths[0] if len(paths) == 1 else paths[0].parent.parent / "*" / name) for name, paths in found.items()]


def is_table(name: str) -> bool:
    """Whether a file is a table that may say something of the examples, judging by its name."""
    path = Path(name.lower())
    return path.suffix in TABLE_SUFFIXES and "submission" not in path.stem
