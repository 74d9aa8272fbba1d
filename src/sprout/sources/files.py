"""Files as they came, in one of the forms; an archive that stands alone is unpacked first."""

from pathlib import Path
from typing import Any

from sprout.sources.archive import is_archive, unpack
from sprout.sources.forms import read_form
from sprout.sources.listing import Listing
from sprout.sources.manifest import MANIFEST


def read_files(folder: Path, scratch: Path, **form: Any) -> Listing:
    """List the examples of a folder.

    Args:
        folder: where they lie.
        scratch: a folder for what is not kept.
        form: keyword arguments of `read_form`.
    """
    arrays = scratch / "arrays"
    arrays.mkdir(parents=True)
    return read_form(unpacked(folder, scratch / "unpacked"), arrays, **form)


def unpacked(folder: Path, into: Path) -> Path:
    """The folder itself, or what its only file unpacks to."""
    files = [path for path in folder.iterdir() if path.name != MANIFEST]
    # An .npz file is a zip archive, and a form of its own.
    if len(files) == 1 and files[0].is_file() and files[0].suffix != ".npz" and is_archive(files[0]):
        unpack(files[0], into)
        return into
    return folder
