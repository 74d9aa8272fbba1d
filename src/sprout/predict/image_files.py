"""The image files that paths of the command line refer to. Imports no torch."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from sprout.data.formats.file_tree import is_folder, link_fault, visible_entries
from sprout.data.formats.folder_contents import loose_files

MAX_PIXELS = 100_000_000
"""Of one file, where nothing else says what `prepare.max_pixels` was."""
INPUTS = "inputs.json"
"""In a model folder that was logged: `resize` and `max_pixels`, as its data was prepared."""


@dataclass(frozen=True)
class ImageFile:
    """A file to read as an image."""

    name: str
    """Its path as the user wrote it."""
    root: str
    """A resolved path, which the file must not leave by a link."""
    path: str
    """Relative to the root."""
    fault: str | None = None
    """What is wrong with it, as far as its path tells."""


def named_file(path: str) -> ImageFile:
    """Return a file that was named itself: a link is followed wherever it points."""
    root, name = os.path.split(os.path.realpath(path))
    return ImageFile(path, root, name)


def files_in(folder: str) -> list[ImageFile]:
    """Return the files in a folder, as the stage `prepare` finds them: not hidden, no documents beside folders."""
    root = os.path.realpath(folder)
    files = [ImageFile(os.path.join(folder, path), root, path, fault) for path, fault in walk_files(root, "")]
    return files or [ImageFile(folder, root, "", "no files in this folder, or only hidden ones")]


def walk_files(root: str, inside: str) -> Iterator[tuple[str, str | None]]:
    """Yield paths relative to the root, sorted by the bytes of their names, with what is wrong with each."""
    folder = os.path.join(root, inside)
    if not os.access(folder, os.R_OK | os.X_OK):
        yield inside, "a folder that cannot be read"
        return
    entries = visible_entries(folder)
    files = {entry.name for entry in loose_files(entries)}
    for entry in entries:
        path = os.path.join(inside, entry.name)
        if is_folder(entry):
            yield from walk_files(root, path)
        elif entry.name in files:
            yield path, link_fault(root, entry.path) if entry.is_symlink() else None
