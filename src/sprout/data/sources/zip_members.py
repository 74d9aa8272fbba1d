"""The members of a zip archive."""

import stat
from collections.abc import Generator
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sprout.data.sources.members import Member, RefusedError
from sprout.runtime.progress import track

ENCRYPTED = 0x1
"""Of `ZipInfo.flag_bits` (PKWARE's APPNOTE, 4.4.4)."""
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip archive, and of an empty one."""


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive."""
    with path.open("rb") as file:
        return file.read(4) in BEGINNINGS


def zip_members(path: Path) -> Generator[Member]:
    """Every member, in the order of the archive's directory; progress is shown.

    Raises:
        RefusedError: a member is neither a file nor a folder, or cannot be read in bounded memory.
    """
    with ZipFile(path) as archive:
        infos = archive.infolist()
        for info in track(infos, f"unpack {path.name}", len(infos)):
            refuse(info)
            yield Member(info.orig_filename, None if info.is_dir() else partial(archive.open, info))


def refuse(info: ZipInfo) -> None:
    """Say what is wrong with a member, if anything is."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a symbolic link" if kind == stat.S_IFLNK else "neither a file nor a folder"
        raise RefusedError(f"member {info.filename!r} is {what}")
    if info.flag_bits & ENCRYPTED:
        raise RefusedError(f"member {info.filename!r} is encrypted; pack it without a password")
    # zipfile unpacks bzip2 and LZMA without a bound on the memory.
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise RefusedError(
            f"member {info.filename!r} is packed by method {info.compress_type}; accepted: deflate, none"
        )
