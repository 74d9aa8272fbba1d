"""Source `s3`: archives of a WebDataset or Parquet files in an object store, listed and read there, never copied."""

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sprout.config.download import S3
from sprout.data.formats.in_place import in_this_process, read_in_place
from sprout.data.listing import Listing
from sprout.data.stored_file import Stored, listed
from sprout.runtime.engine import Engine, LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_rows, write_rows
from sprout.runtime.progress import waiting

OBJECTS = "objects.csv"
"""The list of the objects: name under the prefix, ETag, bytes."""
COLUMNS = ("name", "etag", "bytes")
SHOWN = 3
FEW_BYTES = 16 << 20
"""Objects of up to so many bytes are read in this process: starting others takes longer."""
HERE = LocalProcesses()


def fetch(settings: S3, folder: Path, _partial: Path) -> None:
    """List the objects, in the order in which the same files on disk are read.

    Raises:
        UserError: there is none, or the object store cannot be read.
    """
    place, others, found = place_of(settings), list[str](), list[tuple[int, Stored]]()
    with waiting(f"listing {place}"):
        for each in listed(place):
            if (number := first_match(each.name, settings.format.file)) is not None:
                found.append((number, each))
            elif len(others) < SHOWN:
                others.append(each.name)
    if not found:
        there = ", ".join(others) or "no objects"
        raise UserError(
            f"download.url={settings.url}: no object there is a {settings.format.file} (download.format.file); there "
            f"are: {there}"
        )
    objects = [each for _, each in sorted(found, key=lambda pair: pair[0])]
    rows = [{"name": each.name, "etag": each.stamp, "bytes": each.size} for each in objects]
    write_rows(folder / OBJECTS, COLUMNS, rows)
    size = sum(each.size for each in objects)
    print(f"{place}: {len(objects):,} objects of {size / 1e9:,.3g} GB, which stay there", file=sys.stderr)


def read(settings: S3, folder: Path, _scratch: Path, engine: Engine = HERE) -> Listing:
    """List the images in the objects, by a task for each; an object is checked to be the one that was listed."""
    objects = recorded(settings, folder)
    here = sum(each.size for each in objects) <= FEW_BYTES
    return read_in_place(objects, settings.format, in_this_process if here else engine.run_in_order)


def recorded(settings: S3, folder: Path) -> Sequence[Stored]:
    """Return the objects that `fetch` has listed."""
    place = place_of(settings)
    return [Stored(place, row["name"], row["etag"], int(row["bytes"])) for row in read_rows(folder / OBJECTS)]


def place_of(settings: S3) -> str:
    """Return the bucket and the prefix of the names."""
    return settings.url.rstrip("/")


def first_match(name: str, files: str | Sequence[str]) -> int | None:
    """Return the number of the first of these that a name is, folder by folder: `*` stands for no `/`, as on disk."""
    parts = name.split("/")
    for number, file in enumerate((files,) if isinstance(files, str) else files):
        pattern = file.split("/")
        if len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern)):
            return number
    return None
