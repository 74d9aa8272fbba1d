"""Every file under a folder, in an order that does not depend on the file system."""

import os
from collections.abc import Iterator

from sprout.data.formats.inside import link_fault
from sprout.runtime.errors import UserError

LEFT_OUT = ("__macosx", "thumbs.db", "desktop.ini")
Entry = os.DirEntry[str]


def walk(root: str, start: int, entries: list[Entry]) -> Iterator[tuple[str, str | None]]:
    """The files under these entries: each path relative to the root, and what is wrong with it, if anything.

    Args:
        root: the real path of the data's folder.
        start: where in an entry's path the part relative to the root begins.
        entries: what to look at.
    """
    waiting = entries[::-1]
    while waiting:
        entry = waiting.pop()
        path = entry.path[start:]
        if not is_text(entry.name):
            yield path, "a name that is not UTF-8; rename it"
        elif entry.is_symlink():
            yield path, link_fault(root, entry.path)
        elif entry.is_dir():
            waiting += shown(entry.path)[::-1]
        else:
            yield path, None if entry.is_file() else "not a file"


def shown(folder: str) -> list[Entry]:
    """The entries of a folder that are not hidden, in the order of their names' bytes."""
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if entry.name[0] != "." and entry.name.lower() not in LEFT_OUT]
    except OSError as error:
        raise UserError(f"{readable(folder)}: this folder cannot be read ({error.strerror})") from None
    return sorted(seen, key=lambda entry: os.fsencode(entry.name))


def is_folder(entry: Entry) -> bool:
    """A folder itself, not a link to one."""
    return entry.is_dir(follow_symlinks=False)


def is_text(name: str) -> bool:
    """Whether the bytes of a name are UTF-8; the others stand in it as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def readable(path: str) -> str:
    """A path as text that can be written anywhere."""
    return path if is_text(path) else os.fsencode(path).decode("utf-8", "backslashreplace")
