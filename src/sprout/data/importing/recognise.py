"""Which form a person's data has, by its names and its content."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sprout.data.formats.folders import unwrapped
from sprout.data.formats.splits import ALL
from sprout.data.formats.walk import is_folder, is_text
from sprout.data.importing.arrays import form_of_arrays, form_of_keys, keys
from sprout.data.importing.tables import form_of_pair, form_of_table
from sprout.data.sources.archive import unpack
from sprout.data.sources.files import is_packed, unpacked
from sprout.runtime.errors import UserError

GUIDE = "docs/your_own_data.md"
TABLES = (".csv", ".tsv", ".parquet", ".pq")
ARRAYS = (".npz", ".npy")
FORMS = "class folders, a table of paths, of pixels or of features (CSV, Parquet), .npz, .npy, or an archive of them"
MAGIC = {b"PAR1": "table", b"\x93NUM": "npy"}
"""How files of some kinds begin."""


@dataclass(frozen=True)
class Found:
    """Data whose form is known."""

    path: Path
    """As it was given."""
    root: Path
    """The folder that the form's file names are relative to."""
    form: dict[str, Any]
    """Keyword arguments of `read_form`."""
    said: list[str]
    """What was chosen that could have been chosen otherwise, for a person."""

    @property
    def is_unpacked(self) -> bool:
        """Whether the files were in an archive."""
        return self.root not in (self.path, self.path.parent)


def recognise(path: Path, scratch: Path, target: str | None = None) -> Found:
    """Find out the form of a folder, or of a single file.

    Args:
        path: the data.
        scratch: a folder; an archive is unpacked below it.
        target: the column of a table to learn; None chooses one.

    Raises:
        UserError: nothing is there, or nothing that fits a form, or there is no such column.
    """
    found = guessed(path, scratch)
    if target is None:
        return found
    if found.form["kind"] not in ("table", "paths"):
        raise UserError(f"--target={target}: {path} is no table with a column for each feature, or for the label")
    form, said = form_of_table(found.root, found.form["file"], target)
    return replace(found, form=form, said=said)


def guessed(path: Path, scratch: Path) -> Found:
    """The same with nothing said about columns."""
    if path.is_dir():
        root, _ = unpacked(path, scratch / "unpacked")
        return Found(path, root, *form_of_folder(root))
    if not path.is_file():
        raise UserError(f"{path}: {'not a file or folder' if path.exists() else 'nothing is there'}; see {GUIDE}")
    if is_packed(path):
        unpack(path, scratch / "unpacked")
        return Found(path, scratch / "unpacked", *form_of_folder(scratch / "unpacked"))
    return Found(path, path.parent, *form_of_file(path))


def form_of_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The form of a single file, by its content."""
    with path.open("rb") as file:
        start = file.read(4096)
    if path.suffix == ".npz":
        return form_of_keys(path.name, {key: f"{path.name}:{key}" for key in keys(path)})
    kind = MAGIC.get(start[:4], "table" if b"\0" not in start else None)
    if kind == "npy":
        said = f"{path.name} has no labels; put them beside it as x_train.npy and y_train.npy, or into one .npz"
        return form_of_arrays(path.name), [said]
    if kind is None:
        raise UserError(f"{path}: not data in a form that is known; accepted: {FORMS}; see {GUIDE}")
    return form_of_table(path.parent, path.name)


def form_of_folder(root: Path) -> tuple[dict[str, Any], list[str]]:
    """The form of a folder, or of the folder that is all that it holds."""
    entries = unwrapped(root)
    files = [Path(entry.path).relative_to(root) for entry in entries if entry.is_file() and is_text(entry.name)]
    tables = [file for file in files if file.suffix.lower() in TABLES]
    arrays = [file for file in files if file.suffix.lower() in ARRAYS]
    folders = [entry.name for entry in entries if is_folder(entry)]
    if is_split_into_folders(folders):
        return {"kind": "folders"}, [f"{file} is not read: the folders say it all" for file in tables]
    if tables:
        return form_of_tables(root, tables, bool(folders))
    if arrays and not folders:
        return form_of_keys(str(root), dict(array_keys(root, arrays)))
    return {"kind": "folders"}, []


def is_split_into_folders(folders: list[str]) -> bool:
    """Whether these are folders of splits, train among them, and nothing else."""
    names = {name.lower() for name in folders}
    return "train" in names and names <= set(ALL)


def form_of_tables(root: Path, tables: list[Path], has_folders: bool) -> tuple[dict[str, Any], list[str]]:
    """The form of a folder with tables at its top."""
    if len(tables) == 1:
        form, said = form_of_table(root, str(tables[0]))
        if has_folders and form["kind"] != "paths":
            return {"kind": "folders"}, [f"{tables[0]} is not read; to use it: --from {root / tables[0]}"]
        return form, said
    if pair := form_of_pair(root, [str(table) for table in tables]):
        return pair
    named = ", ".join(table.name for table in tables)
    if has_folders:
        return {"kind": "folders"}, [f"{named} are not read; to use one of them: --from {root / tables[0]}"]
    raise UserError(
        f"{root}: several tables ({named}); name the one to read, or join them into one with a column `split`; "
        f"see {GUIDE}"
    )


def array_keys(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    """What the arrays of a folder are called, and how the form `arrays` names them."""
    for file in files:
        if file.suffix.lower() == ".npy":
            yield file.stem, str(file)
        else:
            yield from ((key, f"{file}:{key}") for key in keys(root / file))
