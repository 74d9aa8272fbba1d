"""What a source hands to `prepare`, and the record of the files that came."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sprout.core.errors import UserError
from sprout.core.records import read_json, write_json

MANIFEST = "manifest.json"
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Raw:
    """A data set as it came, in the source's order."""

    images: Array
    """(N, H, W, C) uint8."""
    labels: Array
    """(N,) int64, class indices."""
    official_test: Array
    """(N,) bool: the source's own test part."""
    classes: list[str]
    origin: list[str]
    """(N,) where each example comes from."""


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, source: str) -> None:
    """Record every file of the folder with its size and checksum."""
    files = [
        {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": checksum(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    write_json(folder / MANIFEST, {"source": source, "files": files})


def verify(folder: Path) -> None:
    """Check every recorded file.

    Raises:
        UserError: a file is missing or is not what was recorded.
    """
    for entry in read_json(folder / MANIFEST)["files"]:
        path = folder / entry["path"]
        found = checksum(path) if path.is_file() else "no file"
        if found != entry["sha256"]:
            raise UserError(f"{path}: expected SHA-256 {entry['sha256']}, found {found}; run `dvc repro -f download`")
