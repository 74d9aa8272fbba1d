"""Files as they came, in one of the forms; an archive that stands alone is unpacked first."""

import os
from pathlib import Path
from typing import Any

from sprout.data.formats import read_form
from sprout.data.formats.walk import shown
from sprout.data.sources.archive import is_archive, unpack
from sprout.data.sources.listing import Listing
from sprout.data.sources.manifest import MANIFEST
from sprout.runtime.errors import UserError


def read_files(folder: Path, scratch: Path, **form: Any) -> Listing:
    """List the examples of a folder.

    Args:
        folder: where they lie.
        scratch: a folder for what is not kept.
        form: keyword arguments of `read_form`.

    Raises:
        UserError: a single file that is no archive should have folders in it.
    """
    arrays = scratch / "arrays"
    arrays.mkdir(parents=True)
    root, alone = unpacked(folder, scratch / "unpacked")
    if root == folder and form["kind"] == "folders" and alone:
        raise UserError(f"{alone}: not an archive; accepted: zip, or tar, plain or packed by gzip, bzip2 or xz")
    try:
        return read_form(root, arrays, **form)
    except UserError as error:
        if root == folder:
            raise
        # Where the archive was unpacked to, nothing will be when this is read.
        raise UserError(str(error).replace(os.fspath(root), str(alone))) from None


def unpacked(folder: Path, into: Path) -> tuple[Path, Path | None]:
    """The folder itself, or what its only file unpacks to; and its only file, if it holds no more."""
    alone = lone_file(folder)
    if alone is None or not is_packed(alone):
        return folder, alone
    unpack(alone, into)
    return into, alone


def lone_file(folder: Path) -> Path | None:
    """The only thing in a folder, if it is a file; hidden ones do not count."""
    entries = [Path(entry.path) for entry in shown(os.fspath(folder)) if entry.name != MANIFEST]
    alone = len(entries) == 1 and entries[0].is_file() and not entries[0].is_symlink()
    return entries[0] if alone else None


def is_packed(path: Path) -> bool:
    """Whether a file is an archive to be unpacked; an .npz file is an archive too, but a form of its own."""
    return path.suffix != ".npz" and is_archive(path)
