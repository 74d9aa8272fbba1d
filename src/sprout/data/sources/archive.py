"""Archives, unpacked as if a stranger had made them: every member, or nothing."""

import struct
from contextlib import closing
from pathlib import Path
from zipfile import BadZipFile

from sprout.data.sources import tar_members, zip_members
from sprout.data.sources.members import RefusedError, write
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_folder

MAX_MEMBERS = 10_000_000
"""Files and folders; the largest public sets of images have about as many."""
MAX_BYTES = 2**40
"""Bytes of all files together: 1 TiB."""
MAX_RATIO = 1000
"""Bytes of all files for each of the archive's own: images make 1 to 20 of them, text 10, a blank table hundreds."""
HARMLESS = 2**26
"""Bytes that any archive may unpack to, however small it is: 64 MiB."""
DAMAGE = (*tar_members.DAMAGE, BadZipFile, struct.error, ValueError, NotImplementedError)
"""What the libraries say of an archive that they cannot read."""


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that `unpack` knows, by its content; a packed single file is none."""
    return zip_members.is_zip(path) or tar_members.is_tar(path)


def unpack(
    path: Path,
    folder: Path,
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
) -> None:
    """Unpack an archive to `folder`, which is there whole or not at all.

    Args:
        path: the archive.
        folder: where to; what was there is replaced.
        max_members: so many files and folders are allowed.
        max_bytes: so many bytes of all files are allowed.
        max_ratio: so many times the archive's own bytes are allowed.

    Raises:
        UserError: it is damaged or no archive; or a member lies outside, is no regular file or folder, comes twice or
            is encrypted; or there are too many members or bytes.
    """
    room = min(max_bytes, max(HARMLESS, max_ratio * path.stat().st_size))
    with atomic_folder(folder) as new:
        write_all(path, new, max_members, room)


def write_all(path: Path, folder: Path, most: int, room: int) -> None:
    """Write `most` members with `room` bytes at most; arguments and errors as of `unpack`."""
    members = zip_members.zip_members if zip_members.is_zip(path) else tar_members.tar_members
    at = "its beginning"
    try:
        with closing(members(path)) as given:
            for count, member in enumerate(given, 1):
                at = f"member {member.name!r}"
                if count > most:
                    raise RefusedError(f"{at} is one too many: {most} are allowed")
                room -= write(member, folder, room)
    except RefusedError as error:
        raise UserError(f"{path}: {error}") from None
    except DAMAGE as error:
        # A disk's own errors have a number; those that say that the data is broken have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = one_line(error)
        raise UserError(f"{path}: damaged at {at}: {said}; fetch or pack it anew") from None
