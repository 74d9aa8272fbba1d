"""Data sets of torchvision: its list of official files with their checksums, and its reader.

The files are fetched here. torchvision's own download waits for a silent server for ever, and says of a wrong
file neither which checksum it expected nor which it found.
"""

import math
from collections.abc import Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import calculate_md5

from sprout.core.errors import UserError
from sprout.core.progress import track
from sprout.sources.raw import Raw

SECONDS = 60.0
"""A server that is silent for so long is given up."""
CHUNK = 2**20
"""Bytes that are fetched at once, and counted as one step: 1 MiB."""


def fetch(folder: Path, name: str, mirror: str | None) -> None:
    """Fetch the official files of a data set and unpack them.

    Args:
        folder: torchvision's `root`.
        name: the class in `torchvision.datasets`.
        mirror: a URL or a local folder that holds the official files; None for torchvision's addresses.

    Raises:
        UserError: a file cannot be had there, or its MD5 is not the official one.
    """
    kind = getattr(datasets, name)
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    for file, md5 in kind.resources:
        bring(f"{name}: {file}", [address + file for address in addresses(kind, mirror)], md5, raw / file)
    # All is there: this only unpacks.
    kind(folder, download=True)


def addresses(kind: Any, mirror: str | None) -> list[str]:
    """Where to look for the official files: URLs that end in a slash."""
    if mirror is None:
        return list(kind.mirrors)
    if urlsplit(mirror).scheme in ("http", "https", "file"):
        return [mirror.rstrip("/") + "/"]
    return [Path(mirror).absolute().as_uri() + "/"]


def bring(what: str, urls: list[str], md5: str, path: Path) -> None:
    """Fetch a file from the first URL that has it.

    Raises:
        UserError: none has it.
    """
    failures = []
    for url in urls:
        try:
            with urlopen(url, timeout=SECONDS) as answer, path.open("wb") as file:  # noqa: S310 (see `addresses`)
                file.writelines(chunks(answer, f"download {path.name} (MiB)"))
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {' '.join(str(error).split())}")
            continue
        found = calculate_md5(path)
        if found == md5:
            return
        failures.append(f"{url}: expected MD5 {md5}, found {found}")
    raise UserError(
        f"{what} cannot be had from {'; '.join(failures)}; "
        "set download.mirror to a URL or folder with the official files"
    )


def chunks(answer: Any, what: str) -> Iterator[bytes]:
    """The bytes of an open URL as they come; progress is shown where the server says how many there are."""
    said = answer.headers.get("Content-Length", "")
    length = int(said) if said.isdecimal() else 0
    come = iter(partial(answer.read, CHUNK), b"")
    return track(come, what, math.ceil(length / CHUNK)) if length else come


def read(folder: Path, name: str) -> Raw:
    """Both parts, the training part first."""
    kind = getattr(datasets, name)
    parts = [kind(folder, train=train) for train in (True, False)]
    images = [np.asarray(part.data) for part in parts]
    sizes = [len(part) for part in parts]
    stacked = np.concatenate(images)
    return Raw(
        images=stacked if stacked.ndim == 4 else stacked[..., None],
        labels=np.concatenate([np.asarray(part.targets, np.int64) for part in parts]),
        official_test=np.repeat([False, True], sizes),
        classes=[str(label) for label in parts[0].classes],
        origin=[f"{which}:{i}" for which, n in zip(("train", "test"), sizes, strict=True) for i in range(n)],
    )
