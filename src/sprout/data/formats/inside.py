"""Files that lie under a folder, and those that only seem to."""

import os
import stat
import unicodedata
from functools import lru_cache
from pathlib import Path

from sprout.runtime.errors import UserError

SHOWN = 8


def located(root: Path, file: str) -> Path:
    """A file that a setting names.

    Raises:
        UserError: there is none under the root.
    """
    path = root / file
    if os.path.isfile(path):
        if not contains(os.path.realpath(root), os.path.realpath(path)):
            raise UserError(f"{file}: leads out of {root}; put the file itself there")
        return path
    there = sorted(found.name for found in root.iterdir() if found.is_file()) if root.is_dir() else []
    listed = ", ".join(there[:SHOWN]) + (", …" if len(there) > SHOWN else "")
    raise UserError(f"{file}: no such file in {root}; there are: {listed or 'no files'}")


def contains(root: str, path: str) -> bool:
    """Whether a path is the root or lies under it; both are real paths."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def link_fault(root: str, path: str) -> str | None:
    """What is wrong with a symbolic link in a data set, if anything.

    Args:
        root: the real path of the folder that must not be left.
        path: the link.
    """
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return f"a link to nothing ({os.readlink(path)!r})"
    if not contains(root, target):
        return f"a link that leaves the data's folder (to {target!r})"
    if os.path.isdir(target):
        return "a link to a folder, which is not followed"
    return None if os.path.isfile(target) else "not a file"


class Finder:
    """Finds the image files that a table names."""

    def __init__(self, root: Path, base: str) -> None:
        """Start.

        Args:
            root: the folder that must not be left.
            base: the folder, relative to the root, that the paths are relative to.
        """
        self.root, self.base = os.path.realpath(root), base
        # Millions of files lie in few folders, and only a folder can be a link unnoticed.
        self.reaches = lru_cache(maxsize=100_000)(self.reaches_folder)

    def find(self, given: str | None) -> tuple[str, str | None]:
        """A path relative to the root as the file system spells it, "" where there is a fault, and that fault."""
        if not given:
            return "", "no path"
        if os.path.isabs(given):
            return "", "an absolute path; paths are relative to the table's folder"
        path = os.path.normpath(os.path.join(self.base, given))
        if path == ".." or path.startswith("../"):
            return "", "a path that leaves the data's folder"
        spelled = self.spelled(path)
        if spelled is None:
            # A table from Windows; here a name may hold backslashes.
            return self.find(given.replace("\\", "/")) if "\\" in given else ("", "no such file")
        path, mode = spelled
        if not self.reaches(os.path.dirname(path)):
            return "", "a path that leaves the data's folder through a link"
        if stat.S_ISLNK(mode):
            fault = link_fault(self.root, os.path.join(self.root, path))
        else:
            fault = None if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "not a file"
        return ("" if fault else path), fault

    def spelled(self, path: str) -> tuple[str, int] | None:
        """The path and its mode, in the normal form of Unicode in which the file has its name."""
        spellings = (
            [path] if path.isascii() else [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]
        )
        for spelling in spellings:
            try:
                return spelling, os.lstat(f"{self.root}/{spelling}").st_mode
            except (OSError, ValueError):  # ValueError: a NUL in the name
                continue
        return None

    def reaches_folder(self, folder: str) -> bool:
        """Whether a folder, links followed, lies under the root."""
        return contains(self.root, os.path.realpath(os.path.join(self.root, folder)))
