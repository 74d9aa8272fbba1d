"""Archives from untrusted sources: unpacked completely, or refused with the member at fault.

Names are checked here, for zip and tar alike. `tarfile.data_filter` accepts links, a `..` inside the folder and a
leading `/`, all of which are refused here, and resolves every path on disk: 20,000 files of 2 kB took 4.1 s with it
and 2.2 s without.
"""

import errno
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO

from sprout.data.formats.archive_members import (
    DAMAGED,
    Member,
    RefusedError,
    is_archive,
    is_zip,
    tar_members,
    zip_members,
)
from sprout.runtime.disk import DiskError
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_folder

MAX_MEMBERS = 10_000_000
"""Files and folders; the largest public image data sets have about as many."""
MAX_BYTES = 2**40
"""Bytes of all files together: 1 TiB."""
MAX_RATIO = 1000
"""Unpacked bytes per byte of the archive: images reach 1 to 20, text 10, an empty table hundreds."""
ALWAYS_ALLOWED = 2**26
"""Bytes that any archive may unpack to, however small it is: 64 MiB."""
UNSAFE = {
    "is absolute": re.compile(r"^/"),
    "contains ..": re.compile(r"(^|/)\.\.(/|\Z)"),
    "contains a backslash": re.compile(r"\\"),
    "begins with a drive": re.compile(r"^[A-Za-z]:"),
    "contains a null byte": re.compile(r"\0"),
    "is not valid Unicode": re.compile(r"[\ud800-\udfff]"),
}
"""Names that lead out of a folder on this or another system, or cannot be written."""
ANY_UNSAFE = re.compile("|".join(pattern.pattern for pattern in UNSAFE.values()))
READ_AS_THEY_ARE = (".npz", ".xlsx", ".xlsm", ".xls", ".pt", ".pth", ".keras")
"""Endings of zip archives that have formats of their own, read or not."""
INVALID_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
"""How a file system rejects a name."""


def is_packed(path: Path) -> bool:
    """Whether a file is an archive to be unpacked; arrays in .npz and sheets of Excel are zip archives too."""
    return path.suffix.lower() not in READ_AS_THEY_ARE and is_archive(path)


def unpack(
    path: Path,
    folder: Path,
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
) -> None:
    """Unpack an archive to `folder`, completely or not at all; existing content of `folder` is replaced.

    Args:
        path: the archive.
        folder: the destination.
        max_members: largest number of files and folders.
        max_bytes: largest number of bytes of all files together.
        max_ratio: largest number of unpacked bytes per byte of the archive.

    Raises:
        UserError: the file is damaged or not an archive; a member would leave the folder, is neither a regular file
            nor a folder, appears twice or is encrypted; or there are too many members or bytes.
    """
    budget = min(max_bytes, max(ALWAYS_ALLOWED, max_ratio * path.stat().st_size))
    place = "the beginning"
    try:
        with atomic_folder(folder) as new, closing(zip_members(path) if is_zip(path) else tar_members(path)) as members:
            for count, member in enumerate(members, 1):
                place = f"member {member.name!r}"
                if count > max_members:
                    raise RefusedError(f"{place} is one too many; accepted: {max_members} members")
                write(member, new, budget)
                budget -= member.size
    except RefusedError as error:
        raise UserError(f"{path}: {error}") from None
    except DAMAGED as error:
        # Errors of the system have a number, those about the archive's content have none.
        if isinstance(error, DiskError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise UserError(f"{path}: damaged at {place}: {one_line(error)}; download or pack it again") from None


def write(member: Member, root: Path, budget: int) -> None:
    """Write a member below `root`, with default mode and owner.

    Raises:
        RefusedError: its name is unsafe or taken, or it has more than `budget` bytes.
    """
    what = f"member {member.name!r}"
    if ANY_UNSAFE.search(member.name):
        why = next(why for why, pattern in UNSAFE.items() if pattern.search(member.name))
        raise RefusedError(f"{what} {why}; pack the folder again, with names relative to it")
    if member.size > budget:
        raise RefusedError(f"{what} is too large: the archive unpacks to more bytes than allowed")
    path = root / member.name
    try:
        if member.open:
            write_file(path, member.open)
        else:
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise RefusedError(f"{what} has the name of another member") from None
    except OSError as error:
        if error.errno not in INVALID_NAME:
            raise
        raise RefusedError(f"{what}: {error.strerror}") from None


def write_file(path: Path, open_member: Callable[[], IO[bytes]]) -> None:
    """Write a new file, and the folders above it."""
    try:
        file = path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        file = path.open("xb")
    with file, open_member() as source:
        shutil.copyfileobj(source, file, 2**20)
