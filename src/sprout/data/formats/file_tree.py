"""Files under a data folder, found by walking it, never outside of it."""

import os
from collections.abc import Iterator
from pathlib import Path

from sprout.data.hub_cache import link_boundary
from sprout.runtime.errors import UserError

SHOWN = 8
IGNORED = {
    *("__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "__pycache__", "lost+found"),
    *("@eadir", "$recycle.bin", "system volume information", "_success"),
}
"""What systems, file managers and network drives leave in folders, in lower case."""
DOCUMENTS = {
    *(".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".parquet", ".pdf", ".tsv", ".txt", ".xls", ".xlsx", ".xml"),
    *(".yaml", ".yml", ".cache", ".doc", ".docx", ".ipynb", ".log", ".m", ".mat", ".names", ".npy", ".npz", ".py"),
    *(".rst", ".sh", ".toml", ".url"),
}
"""Endings of files that describe the images beside them, or were computed from them."""
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".pgm", ".ppm"),
)
Entry = os.DirEntry[str]
COPY = "`cp -rL DATA COPY` makes a copy with files in place of links"


def walk(root: str, start: int, entries: list[Entry]) -> Iterator[tuple[str, str | None]]:
    """Yield the files under these entries in a fixed order: the path relative to the root, and its fault if any.

    Args:
        root: the real path of the data folder.
        start: where in an entry's path the part relative to the root begins.
        entries: files and folders below the root.
    """
    stack = entries[::-1]
    del entries  # each is given up once it is yielded: those of millions of files are gigabytes
    while stack:
        entry = stack.pop()
        path = entry.path[start:]
        if not is_text(path):
            yield path, "the name is not UTF-8; rename it"
        elif entry.is_symlink():
            yield path, link_fault(root, entry.path)
        elif entry.is_dir():
            stack += visible_entries(entry.path)[::-1]
        else:
            yield path, None if entry.is_file() else "not a regular file"


def visible_entries(folder: str) -> list[Entry]:
    """Return the entries of a folder in the order of their names' bytes, without hidden ones.

    Raises:
        UserError: the folder cannot be read.
    """
    return sorted(unsorted_entries(folder), key=lambda entry: os.fsencode(entry.name))


def unsorted_entries(folder: str) -> Iterator[Entry]:
    """Yield what `visible_entries` returns, as the system lists it; errors as there."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.name[0] != "." and entry.name.lower() not in IGNORED)
    except OSError as error:
        raise UserError(f"{readable(folder)}: this folder cannot be read ({error.strerror})") from None


def is_folder(entry: Entry) -> bool:
    """Whether an entry is a folder and not a link to one."""
    return entry.is_dir(follow_symlinks=False)


def is_text(name: str) -> bool:
    """Whether the bytes of a name are UTF-8; others appear in it as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def is_document(name: str) -> bool:
    """Whether a file describes the images beside it, judging by its name."""
    stem, suffix = os.path.splitext(name.lower())
    return suffix in DOCUMENTS or (not suffix and stem in ("license", "readme", "copying", "index"))


def holds_documents_alone(folder: str) -> bool:
    """Whether there are files in a folder, at any depth, and all of them are documents."""
    found, folders = False, [folder]
    while folders:
        for entry in unsorted_entries(folders.pop()):
            if is_folder(entry):
                folders.append(entry.path)
            elif not is_document(entry.name):
                return False
            else:
                found = True
    return found


def readable(path: str) -> str:
    """Return a path as text that can be written anywhere."""
    return path if is_text(path) else os.fsencode(path).decode("utf-8", "backslashreplace")


def locate(root: Path, file: str) -> Path:
    """Return the path of a file that a setting names.

    Raises:
        UserError: there is no such file under the root.
    """
    path = root / file
    if os.path.isfile(path):
        if not contains(link_boundary(os.path.realpath(root)), os.path.realpath(path)):
            raise UserError(f"{file}: leads out of {root}; put the file itself there")
        return path
    names = sorted(found.name for found in root.iterdir() if found.is_file()) if root.is_dir() else []
    listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    raise UserError(f"{file}: no such file in {root}; there are: {listed or 'no files'}")


def contains(root: str, path: str) -> bool:
    """Whether a path is the root or lies under it; both are real paths."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def link_fault(root: str, path: str) -> str | None:
    """Return what is wrong with a symbolic link in a data set, or None.

    Args:
        root: the real path of the data folder.
        path: the link.
    """
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return f"a broken link (to {os.readlink(path)!r})"
    if not contains(link_boundary(root), target):
        return f"a link that leads out of the data folder (to {target!r}); {COPY}"
    if os.path.isdir(target):
        return f"a link to a folder, which is not followed; {COPY}"
    return None if os.path.isfile(target) else "not a regular file"
