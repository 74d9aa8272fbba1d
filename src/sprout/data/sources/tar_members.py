"""The members of a tar archive, read in one pass: plain, or in gzip, bzip2, xz or (from Python 3.14 on) zstandard."""

import bz2
import gzip
import lzma
import math
import tarfile
import zlib
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import IO, Any, Self, cast

from sprout.data.sources.members import Member, RefusedError
from sprout.runtime.progress import track

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    zstd = None

CHUNK = 2**20
"""Bytes of the archive that are counted as one step: 1 MiB."""
HEADERS = 2**20
"""Bytes that may lie between two files, which tarfile holds in memory: 1 MiB."""
ZSTANDARD = b"\x28\xb5\x2f\xfd"
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""What opens a file that begins so."""
DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, *([zstd.ZstdError] if zstd else []))
"""What the libraries say of a tar that they cannot read."""
KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link; `tar --hard-dereference` packs the file itself",
}
"""What a person may have packed without a thought; anything else but files and folders is a device or a pipe."""


class Header(tarfile.TarInfo):
    """A header that must be right; tarfile itself takes a broken one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next one.

        Raises:
            EOFHeaderError: the archive ends here, as it should.
            ReadError: it is broken or missing.
        """
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None


class Stream:
    """The bytes of a tar, unpacked as tarfile asks for them; progress is shown."""

    def __init__(self, raw: IO[bytes], path: Path) -> None:
        total = math.ceil(path.stat().st_size / CHUNK)
        self.raw = raw
        self.unpacked = opened(raw)
        self.steps = track(range(total), f"unpack {path.name} (MiB)", total)
        self.shown = 0
        self.room = HEADERS
        """Bytes that may be read yet: a header of a thousand packed to one would fill the memory."""

    def read(self, count: int) -> bytes:
        """The next bytes, `count` of them where there are so many.

        Raises:
            RefusedError: they are too many for a header.
        """
        data: bytes = self.unpacked.read(count)
        self.room -= len(data)
        if self.room < 0:
            raise RefusedError(f"more than {HEADERS} bytes lie between two files")
        while self.shown < self.raw.tell() // CHUNK:
            self.shown += 1
            next(self.steps, None)
        return data


def tar_members(path: Path) -> Generator[Member]:
    """Every member, in the archive's order; each must be written before the next is asked for.

    Raises:
        RefusedError: a member is neither a file nor a folder, or the archive goes on behind its end.
    """
    with path.open("rb") as raw:
        stream = Stream(raw, path)
        with tarfile.open(mode="r|", fileobj=cast(Any, stream), tarinfo=Header, encoding="utf-8") as archive:
            while header := archive.next():
                refuse(header)
                stream.room = header.size + HEADERS
                yield Member(header.name, None if header.isdir() else partial(file_of, archive, header))
                stream.room = HEADERS
                # tarfile keeps every header: of ten million they would be 10 GiB.
                archive.members.clear()  # type: ignore[attr-defined]
            end(archive)
        for _ in stream.steps:
            pass


def refuse(header: tarfile.TarInfo) -> None:
    """Say what is wrong with a member, if anything is."""
    if not (header.isreg() or header.isdir()):
        kind = KINDS.get(header.type, "neither a file nor a folder")
        raise RefusedError(f"member {header.name!r} is {kind}")
    if header.size < 0:
        raise RefusedError(f"member {header.name!r} has {header.size} bytes")


def file_of(archive: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    """The bytes of a regular file."""
    file = archive.extractfile(header)
    assert file is not None
    return file


def end(archive: tarfile.TarFile) -> None:
    """Read on to the file's end, so that its packing is checked too.

    Raises:
        RefusedError: another archive follows, which would be left out.
    """
    assert archive.fileobj is not None
    while data := archive.fileobj.read(tarfile.RECORDSIZE):
        if data.strip(b"\0"):
            raise RefusedError("the archive goes on behind its end; pack it as one")


def is_tar(path: Path) -> bool:
    """Whether a file begins as a tar archive; of zstandard, which needs Python 3.14, the packing is enough."""
    with path.open("rb") as raw:
        try:
            tarfile.TarInfo.frombuf(opened(raw).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except RefusedError:
            return True
        except DAMAGE:
            return False
    return True


def opened(raw: IO[bytes]) -> Any:
    """The unpacked bytes of an open file.

    Raises:
        RefusedError: this Python cannot unpack it.
    """
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(ZSTANDARD):
        if zstd is None:
            raise RefusedError("packed with zstandard, which Python reads from 3.14 on; pack it with xz or gzip")
        return zstd.open(raw)
    return next((unpack(raw) for magic, unpack in PACKED.items() if head.startswith(magic)), raw)
