"""The members of an archive, whatever its format, and the writing of one."""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHUNK = 2**20
"""Bytes that are written at once: 1 MiB."""
FAULTS = {
    "is an absolute name": re.compile(r"^/"),
    "climbs with ..": re.compile(r"(^|/)\.\.(/|\Z)"),
    "holds a backslash": re.compile(r"\\"),
    "begins with a drive": re.compile(r"^[A-Za-z]:"),
    "holds a null byte": re.compile(r"\0"),
    "is no valid Unicode": re.compile(r"[\ud800-\udfff]"),
}
"""What is wrong with a name that leads out of a folder, here or on another system, or cannot be written down."""
FAULTY = re.compile("|".join(fault.pattern for fault in FAULTS.values()))
NOT_A_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
"""What a file system says of a name that it cannot have."""


class RefusedError(Exception):
    """What an archive holds and may not."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file or a folder."""

    name: str
    """As the archive spells it."""
    open: Callable[[], IO[bytes]] | None
    """Opens the file; None for a folder."""


def write(member: Member, root: Path, room: int) -> int:
    """Write a member below `root`; return its bytes.

    Neither mode nor owner is taken over: an archive decides about bytes and names alone.

    Raises:
        RefusedError: it may not be written, or it has more than `room` bytes.
    """
    if FAULTY.search(member.name):
        fault = next(said for said, pattern in FAULTS.items() if pattern.search(member.name))
        raise RefusedError(f"member {member.name!r} {fault}")
    path = root / member.name
    try:
        if member.open:
            return write_file(path, member.open, room)
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        how = "twice" if member.open and path.is_file() else "both as a file and as a folder"
        raise RefusedError(f"member {member.name!r} comes {how}") from None
    except RefusedError as error:
        raise RefusedError(f"member {member.name!r} {error}") from None
    except OSError as error:
        if error.errno not in NOT_A_NAME:
            raise
        raise RefusedError(f"member {member.name!r}: {error.strerror}") from None
    return 0


def write_file(path: Path, opened: Callable[[], IO[bytes]], room: int) -> int:
    """Write a file that is not there yet; return its bytes.

    Raises:
        RefusedError: there are more than `room`, counted as they come: what a header says may be false.
    """
    try:
        file = path.open("xb", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        file = path.open("xb", buffering=0)
    written = 0
    with file, opened() as source:
        while data := source.read(CHUNK):
            written += len(data)
            if written > room:
                raise RefusedError("is too large: the archive unpacks to more bytes than are allowed")
            file.write(data)
    return written
