"""Detect the format of a user's data, by file names and content."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from sprout.config.formats import Folders, Format, Names
from sprout.config.formats import Table as TableFormat
from sprout.config.validate import explain
from sprout.data.formats import is_unpacked, unpack_single
from sprout.data.formats.archive import unpack
from sprout.data.formats.array_file import SEVERAL, array_names, is_array_file
from sprout.data.formats.excel import EXCEL_SUFFIXES
from sprout.data.formats.file_tree import IMAGE_SUFFIXES, Entry, is_document, is_folder, is_text, visible_entries, walk
from sprout.data.formats.folder_contents import subfolders, top_entries
from sprout.data.formats.folder_layout import has_classes
from sprout.data.formats.folder_names import splits_of
from sprout.data.formats.idx import is_idx
from sprout.data.formats.names import likely_pattern
from sprout.data.formats.text_table import JSON_SUFFIX
from sprout.data.formats.web_dataset import is_shard
from sprout.data.hub_cache import snapshot_of
from sprout.data.importing.detect_arrays import array_format, detect_arrays
from sprout.data.importing.detect_shards import find_shards
from sprout.data.importing.detect_table_folder import detect_tables, tables_among, tables_in, tables_with_labels
from sprout.data.importing.detect_tables import detect_table
from sprout.data.importing.table_sample import GUIDE, UNSAID, Columns
from sprout.data.importing.unread import LISTS, list_notes, lists_beside, refuse_unread, refuse_unread_file
from sprout.runtime.errors import UserError, listed

SAMPLE_FILES = 100_000
"""Files by whose names a pattern is looked for."""
ACCEPTED = (
    "class folders, a table of paths, of pixels or of features (CSV, Parquet, Excel), arrays (.npz, .npy, idx, .mat), "
    "or an archive of them"
)
MAGIC = {b"PAR1": "table", b"\x93NUM": "npy"}
"""The first bytes of some kinds of files."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
PDF = b"%PDF"
FOLDERS = Folders(kind="folders")


@dataclass(frozen=True)
class Detected:
    """Data whose format is known."""

    path: Path
    """As the user wrote it; of a cache of Hugging Face, the snapshot."""
    root: Path
    """The folder that the format's file names are relative to."""
    format: Format
    notes: list[str]
    """Choices that could have been made differently, for the user."""

    @property
    def is_folder(self) -> bool:
        """Whether a folder or an archive was named, not a single file."""
        return self.path.is_dir() or self.is_unpacked

    @property
    def is_unpacked(self) -> bool:
        """Whether the files were in an archive."""
        return self.root not in (self.path, self.path.parent)


def detect_format(path: Path, scratch: Path, columns: Columns = UNSAID) -> Detected:
    """Detect the format of a folder or of a single file.

    Args:
        path: the data.
        scratch: a folder; an archive is unpacked below it.
        columns: what the user says of the columns of a table.

    Raises:
        UserError: the path does not exist, its content is in no known format, or there is no such column.
    """
    try:
        detected = detect_at(path, scratch, columns)
    except ValidationError as error:  # such as a column without a name
        kind = TableFormat if columns.pattern is None else Names
        raise UserError(f"{path}: {explain('format', error, kind)}") from None
    takes_columns = {
        "names": UNSAID._replace(pattern=columns.pattern),
        "table": columns._replace(pattern=None),
        "paths": columns._replace(pattern=None),
        "arrays": columns._replace(group=None, pattern=None),
    }
    if columns != takes_columns.get(detected.format.kind, UNSAID):
        raise UserError(
            f"{' '.join(columns.options)}: not for {path}, whose format is {detected.format.kind}; leave it out, or "
            f"see {GUIDE}"
        )
    return detected


def detect_at(path: Path, scratch: Path, columns: Columns) -> Detected:
    """Detect the format of a folder, an archive or a single file."""
    path, unpacked = snapshot_of(path), scratch / "unpacked"
    if path.is_dir():
        root, single = unpack_single(path, unpacked, is_unpacked)
        named = single if single is not None and root != path else path
        return Detected(path, root, *detect_unpacked(root, named, columns))
    if not path.is_file():
        problem = "not a file or folder" if path.exists() else "no such file or folder"
        raise UserError(f"{path}: {problem}; see {GUIDE}")
    if is_unpacked(path):
        unpack(path, unpacked)
        return Detected(path, unpacked, *detect_unpacked(unpacked, path, columns))
    return Detected(path, path.parent, *detect_file(path, columns))


def detect_unpacked(root: Path, path: Path, columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of a folder; if it was an archive, an error names that, as the folder is soon gone."""
    try:
        return detect_folder(root, columns)
    except UserError as error:
        raise UserError(str(error).replace(str(root), str(path))) from None


def detect_file(path: Path, columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of a single file, by its content."""
    with path.open("rb") as file:
        start = file.read(4096)
    refuse_unread_file(path)
    if path.suffix in SEVERAL:
        arrays = {name: f"{path.name}:{name}" for name in array_names(path)}
        return detect_arrays(path.parent, path.name, arrays, columns)
    if is_shard(path) or path.suffix.lower() in EXCEL_SUFFIXES:
        return detect_table(path.parent, path.name, columns)
    kind = MAGIC.get(start[:4], "table" if b"\0" not in start else None)
    if kind == "npy" or is_idx(path):
        note = f"{path.name} has no labels; if another file beside it has them, name the folder of both"
        return array_format({"train": path.name}), [note]
    if start[:2] in UTF_16:
        raise UserError(f"{path}: text in UTF-16; save the table as UTF-8")
    if kind is None or start[:4] == PDF:
        raise UserError(f"{path}: not data in a known format; accepted: {ACCEPTED}; see {GUIDE}")
    return detect_table(path.parent, path.name, columns)


def detect_folder(root: Path, columns: Columns) -> tuple[Format, list[str]]:
    """Detect the format of a folder, or of its only subfolder."""
    if columns.pattern is not None:
        return Names(kind="names", pattern=columns.pattern, classes=None), []
    entries = top_entries(root)
    files = [Path(entry.path).relative_to(root) for entry in entries if entry.is_file() and is_text(entry.name)]
    folders = [entry for entry in entries if is_folder(entry)]
    tables = [str(Path(entry.path).relative_to(root)) for entry in tables_among(entries) if is_text(entry.name)]
    arrays = [file for file in files if is_array_file(file.name)]
    images = any(file.name.lower().endswith(IMAGE_SUFFIXES) for file in files)
    if arrays and not folders and not tables and not images:
        return detect_arrays(root, str(root), dict(arrays_of_folder(root, arrays)), columns)
    if shards := find_shards(root):
        return detect_table(root, shards, columns)
    try:
        classes = has_classes(root)
    except UserError:
        if not tables_with_labels(root, tables, columns):
            raise
        return detect_tables(root, tables, columns, None, images=True)
    if classes and columns == UNSAID and (not tables or splits_of([entry.name for entry in folders])):
        refuse_unread(root)
        unread = [f"{file} is not read: the folders define labels and splits" for file in tables]
        return FOLDERS, [*unread, *list_notes(root)]
    tables = tables or tables_in(root, subfolders(without_wrappers(os.fspath(root))))
    if not tables and not classes:
        lists = [str(file) for file in files if file.suffix == JSON_SUFFIX]
        tables = lists if tables_with_labels(root, lists, columns) else []
    if not tables:
        refuse_documents(root, entries)
        refuse_unread(root)
        if not classes:
            refuse_lists(root)
        return FOLDERS, list_notes(root) if classes else pattern_notes(root)
    images = bool(folders or arrays) or any(entry.is_file() and not is_document(entry.name) for entry in entries)
    if images:
        refuse_unread(root)
    return detect_tables(root, tables, columns, FOLDERS if classes else None, images=images)


def without_wrappers(folder: str) -> str:
    """Return the folder, or the one in it that lies there alone and has folders itself."""
    entries = visible_entries(folder)
    wraps = len(entries) == 1 and is_folder(entries[0]) and subfolders(entries[0].path)
    return without_wrappers(entries[0].path) if wraps else folder


def pattern_notes(root: Path) -> list[str]:
    """Return that the names of images may tell their classes, if they look like it."""
    real = os.path.realpath(root)
    found = walk(real, len(real.rstrip("/")) + 1, visible_entries(real))
    pattern = likely_pattern([path for path, fault in islice(found, SAMPLE_FILES) if fault is None])
    return [f"the names may tell their classes; if so: --pattern '{pattern}'"] if pattern else []


def refuse_documents(root: Path, entries: list[Entry]) -> None:
    """Refuse a folder in which only documents lie.

    Raises:
        UserError: it is one.
    """
    lists = [entry.name for entry in entries if Path(entry.name.lower()).suffix in LISTS]
    if lists and all(entry.is_file() and is_document(entry.name) for entry in entries):
        raise UserError(f"{root}: no data here, only {listed(lists)}; accepted: {ACCEPTED}; see {GUIDE}")


def refuse_lists(root: Path) -> None:
    """Refuse images without classes beside a file that may well say what they show.

    Raises:
        UserError: there is one.
    """
    if lists := lists_beside(root):
        raise UserError(
            f"{root}: the images are in no class folders, and what lies beside them is not read: {listed(lists)}. If "
            f"their labels are in there, write them as a table path,label, see {GUIDE}. To learn without labels, name "
            "a folder of images alone"
        )


def arrays_of_folder(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield the name of each array, and its name in the settings of the format `arrays`."""
    several = sum(file.suffix in SEVERAL for file in files) > 1
    for file in files:
        if file.suffix in SEVERAL:
            names = array_names(root / file)
            # The names of files with the same arrays tell their splits.
            yield from ((f"{file.stem}:{name}" if several else name, f"{file}:{name}") for name in names)
        else:
            yield file.name.removesuffix(".gz").removesuffix(".npy"), str(file)
