"""The members of zip and tar archives, each read once, in order and with bounded memory."""

import lzma
import math
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, Self, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from sprout.runtime.progress import track

CHUNK = 2**20
"""Bytes of a tar archive that count as one step: 1 MiB."""
MAX_HEADER = 2**20
"""Bytes of an extended tar header, which tarfile reads into memory: 1 MiB."""
ENCRYPTED = 0x1
"""Bit of `ZipInfo.flag_bits` (PKWARE's APPNOTE, 4.4.4)."""
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins, and an empty one."""
DAMAGED = (
    *(tarfile.TarError, BadZipFile, lzma.LZMAError, zlib.error, struct.error),
    *(EOFError, OSError, ValueError, NotImplementedError),
)
"""What the libraries raise for an archive that they cannot read."""
LINKS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link; `tar --hard-dereference` packs the file itself",
}


class RefusedError(Exception):
    """What an archive contains and may not."""


class Member(NamedTuple):
    """A regular file or a folder in an archive."""

    name: str
    size: int
    """Bytes, as the header states them; the readers give no more."""
    open: Callable[[], IO[bytes]] | None
    """Opens the file until the next member is asked for; None for a folder."""
    offset: int = 0
    """Where its bytes begin in a tar archive, uncompressed."""


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, by its content; a single compressed file is not."""
    if is_zip(path):
        return True
    try:
        with tarfile.open(path, tarinfo=StrictHeader) as archive:
            return archive.next() is not None
    except RefusedError:
        return True
    except DAMAGED:
        return False


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip archive."""
    with path.open("rb") as file:
        return file.read(4) in ZIP_MAGIC


def zip_members(path: Path) -> Generator[Member]:
    """Yield the members of a zip archive in the order of its directory, showing progress.

    Raises:
        RefusedError: a member is a link or a device, or is packed in a way that is not accepted.
    """
    with ZipFile(path) as archive:
        infos = archive.infolist()
        separator = separator_of(infos)
        for info in track(infos, f"unpack {path.name}", len(infos)):
            what, kind = f"member {info.filename!r}", stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise RefusedError(f"{what} is {'a symbolic link' if kind == stat.S_IFLNK else 'a special file'}")
            if info.flag_bits & ENCRYPTED:
                raise RefusedError(f"{what} is encrypted; pack it without a password")
            # zipfile unpacks bzip2 and LZMA without a bound on memory.
            if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise RefusedError(f"{what} has compression method {info.compress_type}; accepted: deflate, none")
            name = info.orig_filename.replace(separator, "/")
            yield Member(name, info.file_size, None if name.endswith("/") else partial(archive.open, info))


def separator_of(infos: Sequence[ZipInfo]) -> str:
    """Return what separates folders in the names of a zip archive: some tools for Windows write backslashes."""
    names = [info.orig_filename for info in infos]
    return "/" if any("/" in name for name in names) else "\\"


def tar_members(path: Path) -> Generator[Member]:
    """Yield the members of a tar archive in its order, showing progress; errors as for `members_of_tar`."""
    total = math.ceil(path.stat().st_size / CHUNK)
    with path.open("rb") as raw:
        yield from members_of_tar(raw, track(range(total), f"unpack {path.name} (MiB)", total))


def members_of_tar(raw: BinaryIO, steps: Iterable[int] = ()) -> Generator[Member]:
    """Yield the members of a tar archive in its order.

    Args:
        raw: the archive.
        steps: are taken one after another, as each MiB is read.

    Raises:
        RefusedError: a member is a link or a device, or data follows the end of the archive.
    """
    steps, shown = iter(steps), 0
    with tarfile.open(fileobj=raw, tarinfo=StrictHeader, encoding="utf-8") as archive:
        while header := archive.next():
            if not (header.isreg() or header.isdir()) or header.size < 0:
                raise RefusedError(f"member {header.name!r} is {LINKS.get(header.type, 'a special file')}")
            opener = cast(Callable[[], IO[bytes]], partial(archive.extractfile, header))
            yield Member(header.name, header.size, None if header.isdir() else opener, header.offset_data)
            # tarfile keeps every header: ten million would take 10 GiB.
            archive.members.clear()  # type: ignore[attr-defined]
            while shown < raw.tell() // CHUNK:
                shown += 1
                next(steps, None)
        read_to_end(archive)
    for _ in steps:
        pass


def read_to_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last member, so that the checksum of the compressed data is verified.

    Raises:
        RefusedError: there is more than padding.
    """
    assert archive.fileobj is not None
    while data := archive.fileobj.read(CHUNK):
        if data.strip(b"\0"):
            raise RefusedError("data follows the end of the archive; pack it as one archive")


class StrictHeader(tarfile.TarInfo):
    """A header that must be valid and of bounded size; tarfile takes a broken one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header.

        Raises:
            EOFHeaderError: the archive ends here.
            ReadError: the header is broken or missing.
            RefusedError: it announces an extended header that is too large.
        """
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        if header.size > MAX_HEADER and not (header.isreg() or header.isdir()):
            raise RefusedError(f"a header of {header.size} bytes; accepted: up to {MAX_HEADER}")
        return header
