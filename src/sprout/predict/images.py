"""The image files that a person means. Imports no torch."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sprout.data.formats.folders import loose_of
from sprout.data.formats.inside import link_fault
from sprout.data.formats.walk import is_folder, shown
from sprout.data.importing.recognise import TABLES
from sprout.runtime.errors import UserError, printable


@dataclass(frozen=True)
class ImageFile:
    """What is taken for an image."""

    name: str
    """Its path as the person spells it."""
    root: str
    """A real path, which the file must not leave by a link."""
    path: str
    """Under the root."""
    fault: str | None = None
    """What is wrong with it, as far as its place tells."""


def image_files(paths: Iterable[str]) -> list[ImageFile]:
    """The files of these paths, in their order, and under those that are folders.

    Raises:
        UserError: one is a table.
    """
    found: list[ImageFile] = []
    for path in paths:
        if path.lower().endswith(TABLES) and not os.path.isdir(path):
            raise UserError(f"{printable(path)}: is a table; predict takes images, and folders of them")
        found += under(path) if os.path.isdir(path) else [single(path)]
    return found


def single(path: str) -> ImageFile:
    """A file that was named itself: a link is followed wherever it leads."""
    root, name = os.path.split(os.path.realpath(path))
    return ImageFile(path, root, name)


def under(folder: str) -> list[ImageFile]:
    """The files under a folder, as the stage `prepare` meets them: without hidden ones and documents beside folders."""
    root = os.path.realpath(folder)
    files = [ImageFile(os.path.join(folder, path), root, path, fault) for path, fault in walked(root, "")]
    return files or [ImageFile(folder, root, "", "no files in this folder, or hidden ones only")]


def walked(root: str, inside: str) -> Iterator[tuple[str, str | None]]:
    """Paths relative to the root, in the order of their names' bytes, and what is wrong with them."""
    folder = os.path.join(root, inside)
    if not os.access(folder, os.R_OK | os.X_OK):
        yield inside, "a folder that cannot be read"
        return
    entries = shown(folder)
    files = {entry.name for entry in loose_of(entries)}
    for entry in entries:
        path = os.path.join(inside, entry.name)
        if is_folder(entry):
            yield from walked(root, path)
        elif entry.name in files:
            yield path, link_fault(root, entry.path) if entry.is_symlink() else None
