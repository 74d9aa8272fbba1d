"""The formats in which data lies in a folder; each becomes a `Listing` without decoding an image.

A format is a file here, named after its key `kind`, with a function `read(root, scratch, settings)`; and a dataclass
in `config/formats.py`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sprout.config.formats import Format, Paths
from sprout.data.formats.archive import is_packed, unpack
from sprout.data.formats.file_tree import visible_entries
from sprout.data.formats.web_dataset import is_shard, is_shard_name
from sprout.data.listing import Files, Listing
from sprout.data.manifest import MANIFEST
from sprout.runtime.errors import UserError
from sprout.runtime.files import state_of


class Reader(Protocol):
    """The module of a format."""

    def read(self, root: Path, scratch: Path, settings: Format, /) -> Listing:
        """List the examples of a folder."""


def read_format(root: Path, scratch: Path, settings: Format) -> Listing:
    """List the examples of a folder.

    Args:
        root: the folder with the data.
        scratch: an empty folder for arrays, which the listing needs as long as it is used.
        settings: the format, and where it finds what.

    Returns:
        the listing; what is wrong with single examples is in its `faults`.

    Raises:
        UserError: the data is not in this format.
    """
    # Imported when used: `sprout predict` needs the folders alone.
    module = cast(Reader, import_module(f"{__name__}.{settings.kind}"))
    return module.read(root, scratch, settings)


def read_files(folder: Path, scratch: Path, settings: Format) -> Listing:
    """List the examples of a folder; if all that it contains is an archive, the examples of that.

    Args:
        folder: the folder with the files as they were downloaded or imported.
        scratch: an existing folder for temporary files.
        settings: as for `read_format`.

    Raises:
        UserError: the data is not in this format; or a single file is not an archive where folders are expected.
    """
    arrays = scratch / "arrays"
    arrays.mkdir(parents=True)
    # The archives of a WebDataset are tables.
    is_table = isinstance(settings, Paths) and isinstance(settings.file, str) and is_shard_name(settings.file)
    root, single = (folder, None) if is_table else unpack_single(folder, scratch / "unpacked", is_packed)
    if root == folder and settings.kind == "folders" and single:
        raise UserError(f"{single}: not an archive; accepted: zip, or tar, plain or compressed by gzip, bzip2 or xz")
    try:
        listing = read_format(root, arrays, settings)
        if root == folder or single is None or not isinstance(listing.examples, Files):
            return listing
        return replace(listing, examples=replace(listing.examples, version=state_of(single)))
    except UserError as error:
        if root == folder:
            raise
        # The folder it was unpacked to no longer exists when this is read.
        raise UserError(str(error).replace(os.fspath(root), str(single))) from None


def is_unpacked(path: Path) -> bool:
    """Whether a file is an archive whose files are the data, and not one of a WebDataset, judging by its content."""
    return is_packed(path) and not is_shard(path)


def unpack_single(folder: Path, into: Path, is_archive: Callable[[Path], bool]) -> tuple[Path, Path | None]:
    """Return the folder, or the one its only file was unpacked to; and that file, None if there are several."""
    entries = [Path(entry.path) for entry in visible_entries(os.fspath(folder)) if entry.name != MANIFEST]
    if len(entries) != 1 or not entries[0].is_file() or entries[0].is_symlink():
        return folder, None
    if not is_archive(entries[0]):
        return folder, entries[0]
    unpack(entries[0], into)
    return into, entries[0]
