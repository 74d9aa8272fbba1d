"""A user's files in `data/source/NAME`: hard links, or copies on another file system."""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sprout.data.formats.file_tree import readable, visible_entries, walk
from sprout.data.importing.detect_format import Detected
from sprout.data.listing import Files, Listing, values_of
from sprout.data.sources.local import write_left_out
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_folder
from sprout.runtime.progress import track

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
"""Why a file cannot be linked: another file system, another owner, too many links, a file system without them."""


@dataclass(frozen=True)
class FileSet:
    """The files to link or copy."""

    files: dict[str, Path]
    """Path in `data/source/NAME` → the file, with links resolved."""
    left_out: dict[str, str]
    """Path → why it is not linked."""


def files_to_link(detected: Detected, listing: Listing) -> FileSet:
    """Return the visible files of a folder; or a single file and, if it is a table of paths, its images.

    A link within the folder becomes the file that it points to.
    """
    path = detected.path
    chosen = files_of_folder(path) if path.is_dir() else FileSet({path.name: path.resolve()}, {})
    if not detected.is_unpacked and isinstance(listing.examples, Files) and listing.examples.root == detected.root:
        chosen.files.update((path, detected.root / path) for path in values_of(listing.examples.paths) if path)
    return FileSet({path: Path(os.path.realpath(file)) for path, file in chosen.files.items()}, chosen.left_out)


def files_of_folder(folder: Path) -> FileSet:
    """Return the files of a folder, at any depth."""
    root = os.path.realpath(folder)
    found = FileSet({}, {})
    for path, fault in walk(root, len(root.rstrip(os.sep)) + 1, visible_entries(root)):
        if fault:
            found.left_out[readable(path)] = fault
        else:
            found.files[path] = Path(os.path.realpath(os.path.join(root, path)))
    return found


def link_files(chosen: FileSet, folder: Path) -> None:
    """Link or copy files into a folder, which appears only once it is complete.

    Raises:
        UserError: one of them cannot be read.
    """
    with atomic_folder(folder) as new:
        created: set[str] = set()
        for path, source in track(chosen.files.items(), "link", len(chosen.files)):
            target = os.path.join(new, path)
            if (parent := os.path.dirname(target)) not in created:
                os.makedirs(parent, exist_ok=True)
                created.add(parent)
            link_or_copy(source, target)
        write_left_out(new, chosen.left_out)


def link_or_copy(source: Path, target: str) -> None:
    """Make a hard link where possible, else a copy with the same modification time.

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
            raise UserError(f"{failed.filename}: cannot be copied ({failed.strerror}); nothing is changed") from None


def is_linked(chosen: FileSet, folder: Path) -> bool:
    """Whether a folder holds exactly these files, by their lengths and times."""
    present = files_of_folder(folder)
    return not present.left_out and {path: length_and_time(file) for path, file in present.files.items()} == {
        path: length_and_time(file) for path, file in chosen.files.items()
    }


def length_and_time(file: Path) -> tuple[int, int]:
    """Return bytes and modification time in ns, which a hard link and a copy share with the file."""
    state = file.stat()
    return state.st_size, state.st_mtime_ns
