"""Detect the format of a user's data, by file names and content."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sprout.config.formats import Folders, Format
from sprout.config.formats import Table as TableFormat
from sprout.config.validate import explain
from sprout.data.formats import unpack_single
from sprout.data.formats.archive import is_packed, unpack
from sprout.data.formats.file_tree import is_folder, is_text
from sprout.data.formats.folder_names import splits_of
from sprout.data.formats.folders import find_layout, has_classes, top_entries
from sprout.data.importing.detect_arrays import array_names, arrays_format, detect_arrays
from sprout.data.importing.detect_tables import detect_table, detect_train_test_pair
from sprout.runtime.errors import UserError

GUIDE = "docs/your_own_data.md"
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
ARRAY_SUFFIXES = (".npz", ".npy")
ACCEPTED = "class folders, a table of paths, of pixels or of features (CSV, Parquet), .npz, .npy, or an archive of them"
MAGIC = {b"PAR1": "table", b"\x93NUM": "npy"}
"""The first bytes of some kinds of files."""
FOLDERS = Folders(kind="folders")


@dataclass(frozen=True)
class Detected:
    """Data whose format is known."""

    path: Path
    """As the user wrote it."""
    root: Path
    """The folder that the format's file names are relative to."""
    format: Format
    notes: list[str]
    """Choices that could have been made differently, for the user."""

    @property
    def is_unpacked(self) -> bool:
        """Whether the files were in an archive."""
        return self.root not in (self.path, self.path.parent)


def detect_format(path: Path, scratch: Path, target: str | None = None) -> Detected:
    """Detect the format of a folder or of a single file.

    Args:
        path: the data.
        scratch: a folder; an archive is unpacked below it.
        target: the column of a table to learn; None chooses one.

    Raises:
        UserError: the path does not exist, its content is in no known format, or there is no such column.
    """
    try:
        detected = detect_without_target(path, scratch)
        if target is None:
            return detected
        if detected.format.kind not in ("table", "paths"):
            raise UserError(f"--target={target}: {path} is not a table with a column of labels or for each feature")
        return Detected(path, detected.root, *detect_table(detected.root, detected.format.file, target))
    except ValidationError as error:  # such as a column without a name
        raise UserError(f"{path}: {explain('format', error, TableFormat)}") from None


def detect_without_target(path: Path, scratch: Path) -> Detected:
    """Detect the format, choosing the columns of a table."""
    if path.is_dir():
        root, _ = unpack_single(path, scratch / "unpacked")
        return Detected(path, root, *detect_folder(root))
    if not path.is_file():
        problem = "not a file or folder" if path.exists() else "no such file or folder"
        raise UserError(f"{path}: {problem}; see {GUIDE}")
    if is_packed(path):
        unpack(path, scratch / "unpacked")
        return Detected(path, scratch / "unpacked", *detect_folder(scratch / "unpacked"))
    return Detected(path, path.parent, *detect_file(path))


def detect_file(path: Path) -> tuple[Format, list[str]]:
    """Detect the format of a single file, by its content."""
    with path.open("rb") as file:
        start = file.read(4096)
    if path.suffix == ".npz":
        return detect_arrays(path.name, {name: f"{path.name}:{name}" for name in array_names(path)})
    kind = MAGIC.get(start[:4], "table" if b"\0" not in start else None)
    if kind == "npy":
        note = f"{path.name} has no labels; put them beside it as x_train.npy and y_train.npy, or into one .npz"
        return arrays_format(path.name), [note]
    if kind is None:
        raise UserError(f"{path}: not data in a known format; accepted: {ACCEPTED}; see {GUIDE}")
    return detect_table(path.parent, path.name)


def detect_folder(root: Path) -> tuple[Format, list[str]]:
    """Detect the format of a folder, or of its only subfolder."""
    entries = top_entries(root)
    files = [Path(entry.path).relative_to(root) for entry in entries if entry.is_file() and is_text(entry.name)]
    tables = [file for file in files if file.suffix.lower() in TABLE_SUFFIXES]
    arrays = [file for file in files if file.suffix.lower() in ARRAY_SUFFIXES]
    folders = [entry.name for entry in entries if is_folder(entry)]
    if arrays and not folders and not tables:
        return detect_arrays(str(root), dict(arrays_of_folder(root, arrays)))
    if not tables:
        return FOLDERS, find_layout(root).notes
    if splits_of(folders) and has_classes(root):
        notes = [f"{file} is not read: the folders define labels and splits" for file in tables]
        return FOLDERS, [*notes, *find_layout(root).notes]
    return detect_tables(root, tables, bool(folders))


def detect_tables(root: Path, tables: list[Path], has_folders: bool) -> tuple[Format, list[str]]:
    """Detect the format of a folder with tables at its top level."""
    if len(tables) == 1:
        detected, notes = detect_table(root, str(tables[0]))
        if has_folders and detected.kind != "paths":
            return FOLDERS, [
                f"{tables[0]} is not read; to use it: --from {root / tables[0]}",
                *find_layout(root).notes,
            ]
        return detected, notes
    if pair := detect_train_test_pair(root, [str(table) for table in tables]):
        return pair
    names = ", ".join(table.name for table in tables)
    if has_folders:
        return FOLDERS, [
            f"{names} are not read; to use one of them: --from {root / tables[0]}",
            *find_layout(root).notes,
        ]
    raise UserError(
        f"{root}: several tables ({names}); name the one to read, or join them into one with a column `split`; "
        f"see {GUIDE}"
    )


def arrays_of_folder(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield the name of each array, and its name in the settings of the format `arrays`."""
    for file in files:
        if file.suffix.lower() == ".npy":
            yield file.stem, str(file)
        else:
            yield from ((name, f"{file}:{name}") for name in array_names(root / file))
