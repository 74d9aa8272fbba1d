"""Files of a folder and objects of S3, read by ranges in the same way.

Imports neither numpy nor pyarrow.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from sprout.runtime import s3
from sprout.runtime.errors import UserError

BLOCK = 8 << 20
"""Bytes that are read ahead of an object that is read from its beginning."""
GONE = ("412", "PreconditionFailed", *s3.ABSENT)
"""Codes of S3 for an object that is another one, or none any more."""


def is_remote(place: str) -> bool:
    """Whether a place is in S3, and no folder."""
    return place.startswith(s3.SCHEME)


def stamp_of(path: Path) -> str:
    """Return what changes with the content of a file on disk."""
    return stamp(path.stat())


def stamp(state: os.stat_result) -> str:
    """Return what changes with the content of a file, from its state."""
    return f"{state.st_size}-{state.st_mtime_ns}"


@dataclass(frozen=True)
class Stored:
    """A file or an object, as it was when it was listed."""

    place: str
    """The absolute path of a folder, or s3://BUCKET/PREFIX."""
    name: str
    """Relative to the place."""
    stamp: str
    """The ETag of an object; what `stamp_of` returns for a file."""
    size: int = 0
    """Bytes; 0 where only ranges are read."""

    def __str__(self) -> str:
        return f"{self.place}/{self.name}"

    @property
    def title(self) -> str:
        """For messages about its content: the name, in S3 with the place."""
        return str(self) if is_remote(self.place) else self.name

    def open(self) -> BinaryIO:
        """Open it from its beginning; one can seek in it."""
        if is_remote(self.place):
            return BufferedReader(Ranges(self), BLOCK)
        return open(os.path.join(self.place, self.name), "rb")

    def read(self, start: int, stop: int) -> bytes:
        """Return a range of its bytes.

        Raises:
            UserError: it is another file by now, or cannot be read.
        """
        if stop <= start:
            return b""
        data = read_object(self, start, stop) if is_remote(self.place) else read_file(self, start, stop)
        if len(data) != stop - start:
            raise changed(self)
        return data


def read_file(stored: Stored, start: int, stop: int) -> bytes:
    """Return a range of a file on disk; errors as for `Stored.read`."""
    try:
        with open(os.path.join(stored.place, stored.name), "rb") as file:
            if stamp(os.fstat(file.fileno())) != stored.stamp:
                raise changed(stored)
            return os.pread(file.fileno(), stop - start, start)
    except FileNotFoundError:
        raise changed(stored) from None


def read_object(stored: Stored, start: int, stop: int) -> bytes:
    """Return a range of an object; errors as for `Stored.read`."""
    bucket, prefix = s3.bucket_and_prefix(stored.place)
    from_to, tag = f"bytes={start}-{stop - 1}", f'"{stored.stamp}"'
    with s3.asking(str(stored)) as client:
        from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

        for last in [False] * (s3.TRIES - 1) + [True]:
            try:
                answer = client.get_object(Bucket=bucket, Key=prefix + stored.name, Range=from_to, IfMatch=tag)
                if answer["ETag"] != tag:  # of a server that does not know If-Match
                    raise changed(stored)
                return cast(bytes, answer["Body"].read())
            except ClientError as error:
                if s3.code_of(error) in GONE:
                    raise changed(stored) from None
                raise
            except (HTTPClientError, IncompleteReadError):
                if last:
                    raise
    raise AssertionError("the last try returns or raises")


def changed(stored: Stored) -> UserError:
    """What is said of a file that is no longer the one that was listed."""
    remedy = "run `dvc repro -f download` to list what is there now" if is_remote(stored.place) else "run it again"
    return UserError(f"{stored}: has changed since it was listed; {remedy}")


def listed(place: str) -> Iterator[Stored]:
    """Yield the objects of a place, in the order of their names.

    Raises:
        UserError: it cannot be read.
    """
    for name, each in s3.objects_under(place):
        yield Stored(place, name, each["ETag"].strip('"'), each["Size"])


class Ranges(RawIOBase):
    """An object as a file."""

    def __init__(self, stored: Stored) -> None:
        """Open it."""
        self.stored, self.at = stored, 0

    def readable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `RawIOBase`."""
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.stored.size}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:
        """See `RawIOBase`."""
        data = self.stored.read(self.at, min(self.stored.size, self.at + len(buffer)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)
