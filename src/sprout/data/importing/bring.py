"""A person's files come to `data/source/NAME`: as hard links, or as copies from another file system."""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sprout.data.formats.walk import readable, shown, walk
from sprout.data.importing.recognise import Found
from sprout.data.sources.listing import Files, Listing
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_folder
from sprout.runtime.progress import track

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
"""Why a file cannot be linked: another file system, another owner, too many links, a file system without them."""


@dataclass(frozen=True)
class Load:
    """What is to be brought."""

    files: dict[str, Path]
    """Path in `data/source/NAME` → the file, which is no link."""
    left_out: dict[str, str]
    """Path → why it stays behind."""


def load_of(found: Found, listing: Listing) -> Load:
    """The files of a folder that are not hidden; or a single file and, if it is a table of paths, its images.

    A link within the folder becomes the file that it leads to.
    """
    load = load_of_folder(found.path) if found.path.is_dir() else Load({found.path.name: found.path.resolve()}, {})
    if not found.is_unpacked and isinstance(listing.examples, Files):
        load.files.update((path, found.root / path) for path in listing.examples.paths if path)
    return Load({path: Path(os.path.realpath(file)) for path, file in load.files.items()}, load.left_out)


def load_of_folder(folder: Path) -> Load:
    """The files of a folder, at any depth."""
    real = os.path.realpath(folder)
    load = Load({}, {})
    for path, fault in walk(real, len(real.rstrip(os.sep)) + 1, shown(real)):
        if fault:
            load.left_out[readable(path)] = fault
        else:
            load.files[path] = Path(os.path.realpath(os.path.join(real, path)))
    return load


def bring(load: Load, folder: Path) -> None:
    """Bring files to a folder, which is there whole or not at all.

    Raises:
        UserError: one of them cannot be read.
    """
    with atomic_folder(folder) as new:
        made: set[str] = set()
        for path, source in track(load.files.items(), "bring", len(load.files)):
            target = os.path.join(new, path)
            if (parent := os.path.dirname(target)) not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            link_or_copy(source, target)


def link_or_copy(source: Path, target: str) -> None:
    """A hard link where that is possible, else a copy with the same time.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        try:
            shutil.copy2(source, target)
        except (PermissionError, FileNotFoundError) as failed:
            raise UserError(f"{failed.filename}: cannot be brought ({failed.strerror}); nothing is changed") from None


def is_brought(load: Load, folder: Path) -> bool:
    """Whether a folder holds just these files, by their lengths and times."""
    there = load_of_folder(folder)
    return not there.left_out and {path: mark(file) for path, file in there.files.items()} == {
        path: mark(file) for path, file in load.files.items()
    }


def mark(file: Path) -> tuple[int, int]:
    """What a hard link, and a copy that keeps the time, have in common with the file."""
    state = file.stat()
    return state.st_size, state.st_mtime_ns
