"""A full, read-only or forbidden disk, said in one line that names the place."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sprout.runtime.errors import UserError

REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there, or have the quota raised",
    errno.EFBIG: "raise the limit for the size of a file (ulimit -f)",
    errno.EROFS: "mount it writable, or work in another place",
    errno.EACCES: "give yourself the right to read and write there",
    errno.EPERM: "give yourself the right to change it",
}
"""What helps, by the number of the error."""
NUMBER = re.compile(r"\(os error (\d+)\)")
"""As Rust's libraries write it."""
COPYING = re.compile(r"\[Errno (\d+)\] [^:]*(?:: '([^']*)')?(?: -> '([^']*)')?")
"""An error of the system as text: its number, and the files that it names. `shutil.copytree` collects these."""
RIGHTS = (errno.EACCES, errno.EPERM)
"""Errors not of the disk alone: a socket or a process may be forbidden, too."""
CUT = re.compile(r"\d+ requested and \d+ written")
"""As numpy says that not all of an array was written."""


class DiskError(OSError):
    """The disk does not take or give a file; its text is one line with the place and the remedy."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of a disk error in the block where it happened: the file that it names itself, or else `path`.

    Raises:
        DiskError: instead of an error of the disk, also of one that a library wraps.
    """
    try:
        yield
    except Exception as error:
        found = disk_error(error, path)
        if found is None or found is error:
            raise
        raise found from error


def disk_error(error: Exception, path: Path | None) -> DiskError | None:
    """The error of the disk as one line; None for any other error.

    Args:
        error: of the system, or of a library that wraps it.
        path: where it happened, unless the error itself names a file; None where that is not known.
    """
    if isinstance(error, DiskError):
        return error
    if isinstance(error, shutil.Error):
        return next(filter(None, (disk_error(each, path) for each in copy_errors(error))), None)
    reason = reason_of(error)
    # The second name is where a file should have gone.
    place = getattr(error, "filename2", None) or getattr(error, "filename", None) or path
    if reason is None or (place is None and isinstance(error, OSError) and error.errno in RIGHTS):
        return None
    return DiskError(f"{os.fspath(place or Path.cwd())}: {reason}, then run the command again")


def copy_errors(error: shutil.Error) -> list[OSError]:
    """The errors of single files in copying a folder, of which `shutil` keeps the text."""
    errors = []
    for _, target, text in error.args[0] if isinstance(error.args[0], list) else []:
        if found := COPYING.match(str(text)):
            number, *names = found.groups()
            source, other = names if names[0] else (os.fspath(target), None)
            errors.append(OSError(int(number), os.strerror(int(number)), source, None, other))
    return errors


def reason_of(error: Exception) -> str | None:
    """What the disk has refused, and what helps; None for an error that is not one of the disk."""
    if isinstance(error, UserError):
        return None
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := NUMBER.search(str(error))):
        number = int(found[1])
    if number in REMEDIES:
        return f"{os.strerror(number)}; {REMEDIES[number]}"
    if number is None and isinstance(error, OSError) and CUT.search(str(error)):
        return "no space left, or a file that is larger than the limit (ulimit -f); free some space there"
    return None
