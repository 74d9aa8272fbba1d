"""A shard of a WebDataset: a tar archive with files `KEY.jpg` and `KEY.cls` or `KEY.json` side by side, as a table.

The file of an image is the column `image`; `cls` and `txt` are columns of text, and so is each key of the JSON objects.
The format is described at https://github.com/webdataset/webdataset.
"""

import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple

import pyarrow as pa

from sprout.data.formats.archive import ALWAYS_ALLOWED, MAX_RATIO
from sprout.data.formats.archive_members import DAMAGED, Member, RefusedError, members_of_tar, tar_members
from sprout.data.formats.file_tree import IMAGE_SUFFIXES
from sprout.data.members import member_name
from sprout.data.stored_file import Stored
from sprout.runtime.errors import UserError, one_line

IMAGE = "image"
TEXT_SUFFIXES = ("cls", "txt")
LABEL_SUFFIXES = (*TEXT_SUFFIXES, "json")
PLAIN_SUFFIX = ".tar"
SHARD_SUFFIXES = (PLAIN_SUFFIX, ".tar.gz", ".tgz")
ROWS = 256
"""Rows of a batch."""
SEEN = 3
"""Samples by which an archive is recognised and its columns are named."""
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
"""How archives begin that gzip, bzip2 or xz has compressed, whose members have no place of their own."""
Values = dict[str, str | bytes | None]
"""Column → value."""


class Sample(NamedTuple):
    """Files with the same key that follow each other."""

    key: str
    """Folders and name up to the first point."""
    values: Values


@dataclass(frozen=True)
class Shard:
    """A tar archive whose samples are the rows of a table."""

    path: Path
    name: str
    """For messages."""
    columns: list[str]
    images: ClassVar[tuple[str, ...]] = (IMAGE,)
    """Columns with the bytes of image files."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns.

        Raises:
            UserError: the archive is damaged, or has links, or more bytes than its size makes plausible.
        """
        types = {name: pa.binary() if name == IMAGE else pa.string() for name in columns}
        samples = samples_of(self.path, self.name)
        while rows := list(islice(samples, ROWS)):
            arrays = [pa.array([row.values.get(name) for row in rows], types[name]) for name in types]
            yield pa.record_batch(arrays, [*types])


@dataclass(frozen=True)
class PlacedShard:
    """An uncompressed archive, on disk or in S3, whose images are known by their places in it."""

    stored: Stored
    columns: list[str]
    images: ClassVar[tuple[str, ...]] = (IMAGE,)
    """Columns with the names of members of the archive, as `contents` reads them."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.stored.name

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns; errors as for `Shard`."""
        samples = placed_samples(self.stored)
        while rows := list(islice(samples, ROWS)):
            arrays = [pa.array([row.values.get(name) for row in rows], pa.string()) for name in columns]
            yield pa.record_batch(arrays, [*columns])


def open_placed(stored: Stored) -> PlacedShard:
    """Open an archive by what `open_shard` looks at; errors as there.

    Raises:
        UserError: it is compressed.
    """
    if is_compressed(stored):
        raise UserError(f"{stored}: is compressed, so no image can be read by its place; pack it as a plain tar")
    with closing(placed_samples(stored)) as samples:
        return PlacedShard(stored, columns_of(list(islice(samples, SEEN)), stored.name))


def is_compressed(stored: Stored) -> bool:
    """Whether an archive is compressed, whatever its name says."""
    return stored.read(0, min(stored.size, 6)).startswith(COMPRESSED)


def placed_samples(stored: Stored) -> Generator[Sample]:
    """Yield the samples of an archive, with the name of the member in place of an image; errors as `read_samples`."""

    def place(member: Member) -> str:
        return member_name(stored.name, member.offset, member.size)

    with stored.open() as raw:
        yield from read_samples(members_of_tar(raw), stored.name, stored.size, place)


def is_shard_name(name: str) -> bool:
    """Whether a file is a tar archive, judging by its name."""
    return name.lower().endswith(SHARD_SUFFIXES)


def open_shard(path: Path, name: str) -> Shard:
    """Open an archive; the first samples name its columns.

    Raises:
        UserError: it is damaged, or holds no samples of an image and what is said of it.
    """
    return Shard(path, name, columns_of(first_samples(path, name), name))


def first_samples(path: Path, name: str) -> list[Sample]:
    """Return some samples of an archive; errors as for `open_shard`."""
    with closing(samples_of(path, name)) as samples:
        first = list(islice(samples, SEEN))
    columns_of(first, name)
    return first


def columns_of(first: list[Sample], name: str) -> list[str]:
    """Return the columns that the first samples name; errors as for `open_shard`."""
    if not first or not all(sample.values.get(IMAGE) and len(sample.values) > 1 for sample in first):
        raise UserError(f"{name}: no files KEY.jpg and KEY.cls or KEY.json side by side; unpack it")
    return list(dict.fromkeys(column for sample in first for column in sample.values))


def is_shard(path: Path) -> bool:
    """Whether a file is an archive whose first samples are an image and what is said of it.

    Images in folders with JSON beside them are not: there the folders may be the classes.
    """
    if not is_shard_name(path.name):
        return False
    try:
        return all("cls" in sample.values or "/" not in sample.key for sample in first_samples(path, path.name))
    except UserError:
        return False


def samples_of(path: Path, name: str) -> Generator[Sample]:
    """Yield the samples of an archive on disk, showing progress; errors as for `read_samples`."""
    return read_samples(tar_members(path), name, path.stat().st_size, read_bytes)


def read_samples(
    found: Generator[Member], name: str, size: int, image: Callable[[Member], str | bytes]
) -> Generator[Sample]:
    """Yield the samples of an archive.

    Args:
        found: its members, which are closed at the end.
        name: for messages.
        size: bytes of the archive.
        image: returns what stands for a member that is an image.

    Raises:
        UserError: the archive is damaged, or has links, or more bytes than its size makes plausible.
    """
    budget = max(ALWAYS_ALLOWED, MAX_RATIO * size)
    sample = Sample("", {})
    try:
        with closing(found) as members:
            for member in members:
                if member.open is None or os.path.basename(member.name).startswith("."):
                    continue
                if (budget := budget - member.size) < 0:
                    raise RefusedError(f"member {member.name!r} is too large: more bytes than allowed")
                if (key := key_of(member.name)) != sample.key:
                    if sample.values:
                        yield sample
                    sample = Sample(key, {})
                sample.values.update(read_member(member, name, image))
    except RefusedError as error:
        raise UserError(f"{name}: {error}; pack it again") from None
    except DAMAGED as error:
        # Errors of the disk have a number, those about the archive's content have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{name}: damaged after {sample.key!r}: {one_line(error)}; download or pack it again") from None
    if sample.values:
        yield sample


def key_of(name: str) -> str:
    """Return the folders of a member, and its name up to the first point."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    return folder + slash + base.partition(".")[0]


def read_bytes(member: Member) -> bytes:
    """Return the bytes of a member."""
    assert member.open is not None
    with member.open() as file:
        return file.read()


def read_member(member: Member, name: str, image: Callable[[Member], str | bytes]) -> Values:
    """Return what a file says of its sample; nothing of a file of another kind.

    Raises:
        UserError: it is not the text or the JSON object that its name promises.
    """
    suffix = os.path.basename(member.name).partition(".")[2].lower()
    last = suffix.rpartition(".")[2]
    if f".{suffix}" not in IMAGE_SUFFIXES and last not in LABEL_SUFFIXES:
        return {}
    if f".{suffix}" in IMAGE_SUFFIXES:
        return {IMAGE: image(member)}
    data = read_bytes(member)
    try:
        if last in TEXT_SUFFIXES:
            return {suffix: data.decode().strip()}
        values = json.loads(data)
        # A key `image` is the name of the file, as a rule; the picture itself is a file of its own.
        texts = {key: value for key, value in values.items() if key != IMAGE and not isinstance(value, list | dict)}
        return {key: as_entry(value) for key, value in texts.items()}
    except (UnicodeDecodeError, ValueError, AttributeError) as error:
        what = "text in UTF-8" if last in TEXT_SUFFIXES else "a JSON object"
        raise UserError(f"{name}: {member.name} is not {what} ({one_line(error)}); pack it again") from None


def as_entry(value: str | float | bool | None) -> str | None:
    """Return a value of a JSON object as text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)
