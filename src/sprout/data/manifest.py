"""The record of downloaded files with their checksums, against which later stages verify them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, write_json
from sprout.runtime.progress import track

MANIFEST = "manifest.json"
CHUNK = 2**20
"""Bytes that are read at once and count as one step: 1 MiB."""


def checksum(path: Path) -> str:
    """Return the SHA-256 of a small file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(paths: Sequence[Path], algorithm: str = "sha256") -> Iterator[str]:
    """Yield the checksum of each file, in order, showing progress."""
    steps = sum(max(1, math.ceil(path.stat().st_size / CHUNK)) for path in paths)
    pieces = ((at, piece) for at, path in enumerate(paths) for piece in read(path))
    for _, of_file in groupby(track(pieces, "checksum (MiB)", steps), key=itemgetter(0)):
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for _, piece in of_file:
            digest.update(piece)
        yield digest.hexdigest()


def read(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces; an empty file is one empty piece."""
    with path.open("rb") as file:
        yield file.read(CHUNK)
        yield from iter(partial(file.read, CHUNK), b"")


def write_manifest(folder: Path, source: str) -> None:
    """Record every file of the folder with its size and checksum."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [
        {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": found}
        for path, found in zip(paths, checksums(paths), strict=True)
    ]
    write_json(folder / MANIFEST, {"source": source, "files": files})


def verify(folder: Path) -> None:
    """Verify every recorded file.

    Raises:
        UserError: a file is missing or differs from the record.
    """
    recorded = {folder / entry["path"]: entry["sha256"] for entry in read_json(folder / MANIFEST)["files"]}
    for path, expected in recorded.items():
        if not path.is_file():
            refuse(path, expected, "no file")
    for (path, expected), found in zip(recorded.items(), checksums([*recorded]), strict=True):
        if found != expected:
            refuse(path, expected, found)


def refuse(path: Path, expected: str, found: str) -> None:
    """Raise an error for a file that is not what was recorded."""
    raise UserError(f"{path}: expected SHA-256 {expected}, found {found}; run `dvc repro -f download`")
