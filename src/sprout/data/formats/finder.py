"""The image files that a table names, found by their paths or names, never outside of the data folder."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from sprout.data.formats.file_tree import contains, is_document, link_fault, visible_entries, walk
from sprout.data.hub_cache import link_boundary
from sprout.data.listing import Faults, Texts, values_of
from sprout.runtime.progress import track

ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How a path begins that is not relative to the table's folder."""
NO_FILE = "no such file"
CHUNK = 10_000
"""Paths that are looked up at a time."""


class Finder:
    """Finds the image files that a table names: by their path, or by a name or stem that only one file has."""

    def __init__(self, root: Path, base: str) -> None:
        """Prepare to find files.

        Args:
            root: the data folder.
            base: the folder, relative to the root, that the paths are relative to.
        """
        self.root, self.base = os.path.realpath(root), base
        self.moved: tuple[str, str] | None = None
        # Millions of files lie in few folders, and only a folder can be a link unnoticed.
        self.is_inside = lru_cache(maxsize=100_000)(self.is_folder_inside)

    def relocate(self, names: Iterable[str | None]) -> None:
        """Look up the paths of a column from now on, also where their folders are those of another machine.

        Args:
            names: all of them; the folder that they share becomes the end of it that is here.
        """
        shared = shared_folder(name for name in names if name)
        ends = [shared.split("/", start)[start] for start in range(shared.count("/") + 1)] if shared else []
        here = next((end for end in ends if end and os.path.isdir(os.path.join(self.root, self.base, end))), "")
        self.moved = (shared, here) if shared and here != shared else None

    def find(self, name: str | None, *, by_name: bool = True) -> tuple[str, str | None]:
        """As `find_here`, or if there is no such file, with the folder of another machine taken for that here."""
        found = self.find_here(name, by_name=by_name)
        if name is None or found[1] is None or self.moved is None:
            return found
        shared, here = self.moved
        rest = plain_path(name).removeprefix(shared).lstrip("/")
        # Where a folder of this place is missing, files of the same names elsewhere may be masks or the like.
        moved = self.find_here(os.path.join(here, rest), by_name=is_absolute(name))
        return found if moved[1] == NO_FILE else moved

    def find_here(self, name: str | None, *, by_name: bool = True) -> tuple[str, str | None]:
        """Return a path relative to the root as the file system spells it, and its fault; "" where there is one.

        Args:
            name: a path relative to the base, or what `search` takes.
            by_name: whether to search all folders where no file has this path.
        """
        if not name:
            return "", "no path"
        if os.path.isabs(name):
            return "", "an absolute path; paths are relative to the table's folder"
        path = os.path.normpath(os.path.join(self.base, name))
        if path == ".." or path.startswith("../"):
            return "", "a path that leads out of the data folder"
        spelled = self.spelled(path)
        if spelled is None:
            # A table from Windows; on this system a name may contain backslashes.
            if "\\" in name:
                return self.find_here(name.replace("\\", "/"), by_name=by_name)
            return self.search(name) if by_name else ("", NO_FILE)
        path, mode = spelled
        if not self.is_inside(os.path.dirname(path)):
            return "", "a path that leads out of the data folder through a link"
        if stat.S_ISLNK(mode):
            fault = link_fault(self.root, os.path.join(self.root, path))
        else:
            fault = None if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        return ("" if fault else path), fault

    def search(self, name: str) -> tuple[str, str | None]:
        """As `find`, for the end of a path, with or without the suffix: the only file that has it."""
        end = unicodedata.normalize("NFC", os.path.normpath(name))
        base = os.path.basename(end)
        known = {*self.by_stem.get(base, ()), *self.by_stem.get(os.path.splitext(base)[0], ())}
        found = sorted(path for path in known if has_end(path, end) or has_end(os.path.splitext(path)[0], end))
        # On Windows and macOS, 1.JPG names the file 1.jpg.
        found = found or sorted(path for path in known if has_end(path.lower(), end.lower()))
        if len(found) > 1:
            return "", f"several files have this name: {found[0]}, {found[1]}" + (", …" if len(found) > 2 else "")
        return (found[0], None) if found else ("", NO_FILE)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """The files under the root by their names without suffix, relative to it; no documents and no faulty ones."""
        found: dict[str, list[str]] = {}
        for path, fault in walk(self.root, len(self.root.rstrip("/")) + 1, visible_entries(self.root)):
            if fault is None and not is_document(os.path.basename(path)):
                stem = os.path.splitext(os.path.basename(path))[0]
                found.setdefault(unicodedata.normalize("NFC", stem), []).append(path)
        return found

    def spelled(self, path: str) -> tuple[str, int] | None:
        """Return the path and its mode in the Unicode normal form that the file system uses; None if there is none."""
        forms = [path] if path.isascii() else [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]
        for spelling in forms:
            try:
                return spelling, os.lstat(f"{self.root}/{spelling}").st_mode
            except (OSError, ValueError):  # ValueError: a null byte in the name
                continue
        return None

    def is_folder_inside(self, folder: str) -> bool:
        """Whether a folder lies under the root once links are followed."""
        return contains(link_boundary(self.root), os.path.realpath(os.path.join(self.root, folder)))


def find_all(finder: Finder, paths: pa.Array) -> tuple[pa.Array, Faults]:
    """Return each path as the file system spells it, "" where it cannot be used, and the faults."""
    files, faults, row = Texts(), dict[int, str](), 0
    finder.relocate(values_of(paths))
    starts = range(0, len(paths), CHUNK)
    for start in track(starts, "files", len(starts)):
        for path in paths[start : start + CHUNK].to_pylist():
            file, fault = finder.find(path)
            if fault:
                faults[row] = fault
            files.append(file)
            row += 1
    return files.end(), faults


def is_absolute(path: str) -> bool:
    """Whether a path begins at the root of a system, at a drive of Windows, or is a URL."""
    return ABSOLUTE.match(path) is not None


def plain_path(path: str) -> str:
    """Return a path with slashes; of a URL, the path in it."""
    if "://" in path:
        path = unquote(urlsplit(path).path)
    return path.replace("\\", "/")


def shared_folder(paths: Iterable[str]) -> str:
    """Return the folder in which all of these paths lie, "" if there is none."""
    folders = {tuple(plain_path(path).split("/")[:-1]) for path in paths}
    if not folders:
        return ""
    pairs = zip(min(folders), max(folders), strict=False)
    return "/".join(part for part, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def has_end(path: str, end: str) -> bool:
    """Whether a path ends with this name, or with these folders and this name."""
    return f"/{unicodedata.normalize('NFC', path)}".endswith(f"/{end}")
