"""Source `s3`: the archives of a WebDataset in an object store, which are listed and read there, and never copied."""

import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sprout.config.download import S3
from sprout.data.formats.paths import in_this_process, read_archives
from sprout.data.listing import Listing
from sprout.data.stored_file import Stored, listed
from sprout.runtime.engine import Engine, LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_rows, write_rows
from sprout.runtime.progress import waiting

OBJECTS = "objects.csv"
"""The list of the archives: name under the prefix, ETag, bytes."""
COLUMNS = ("name", "etag", "bytes")
SHOWN = 3
FEW_BYTES = 16 << 20
"""Archives of up to so many bytes are read in this process: starting others takes longer."""
HERE = LocalProcesses()


def fetch(settings: S3, folder: Path, _partial: Path) -> None:
    """List the archives.

    Raises:
        UserError: there is none, or the object store cannot be read.
    """
    place, others, found = place_of(settings), list[str](), list[Stored]()
    with waiting(f"listing {place}"):
        for each in listed(place):
            if matches(each.name, settings.format.file):
                found.append(each)
            elif len(others) < SHOWN:
                others.append(each.name)
    if not found:
        there = ", ".join(others) or "no objects"
        raise UserError(
            f"download.url={settings.url}: no object there is a {settings.format.file} (download.format.file); there "
            f"are: {there}"
        )
    rows = [{"name": each.name, "etag": each.stamp, "bytes": each.size} for each in found]
    write_rows(folder / OBJECTS, COLUMNS, rows)
    size = sum(each.size for each in found)
    print(f"{place}: {len(found):,} archives of {size / 1e9:,.3g} GB, which stay there", file=sys.stderr)


def read(settings: S3, folder: Path, _scratch: Path, engine: Engine = HERE) -> Listing:
    """List the images in the archives, by a task for each; an archive is checked to be the one that was listed."""
    archives = recorded(settings, folder)
    here = sum(archive.size for archive in archives) <= FEW_BYTES
    return read_archives(archives, settings.format, in_this_process if here else engine.run_in_order)


def recorded(settings: S3, folder: Path) -> Sequence[Stored]:
    """Return the archives that `fetch` has listed."""
    place = place_of(settings)
    return [Stored(place, row["name"], row["etag"], int(row["bytes"])) for row in read_rows(folder / OBJECTS)]


def place_of(settings: S3) -> str:
    """Return the bucket and the prefix of the names."""
    return settings.url.rstrip("/")


def matches(name: str, files: str | Sequence[str]) -> bool:
    """Whether a name is one of these, folder by folder: `*` stands for no `/`, as on disk."""
    parts = name.split("/")
    return any(len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern)) for pattern in patterns(files))


def patterns(files: str | Sequence[str]) -> Iterator[list[str]]:
    """Yield the parts of each pattern."""
    for file in (files,) if isinstance(files, str) else files:
        yield file.split("/")
