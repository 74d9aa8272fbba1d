"""Data sets of torchvision, through its own classes and checksums."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import calculate_md5

from sprout.errors import UserError
from sprout.sources.raw import Raw

SECONDS = 60.0
"""A server that is silent for so long is given up."""


def fetch(folder: Path, name: str, mirror: str | None) -> None:
    """Download a data set, or bring its official files from a mirror.

    Args:
        folder: torchvision's `root`.
        name: the class in `torchvision.datasets`.
        mirror: a URL or a local folder that holds the official files; None for torchvision's addresses.

    Raises:
        UserError: a file is missing there, or its MD5 is not the official one.
    """
    kind = getattr(datasets, name)
    if mirror is None:
        download(kind, folder)
    elif urlsplit(mirror).scheme in ("http", "https"):
        mirrored = type(name, (kind,), {"mirrors": [mirror.rstrip("/") + "/"]})
        download(mirrored, folder)
    else:
        is_url = mirror.startswith("file:")
        local = Path(url2pathname(urlsplit(mirror).path) if is_url else mirror)
        copy_official_files(kind, local, folder / name / "raw")
        download(kind, folder)


def download(kind: Any, folder: Path) -> None:
    """torchvision's own download of both parts; it checks each MD5 and unpacks."""
    try:
        with patience():
            for train in (True, False):
                kind(folder, train=train, download=True)
    except (RuntimeError, OSError, HTTPException) as error:
        reason = " ".join([*str(error).split(), *unofficial(kind, folder / kind.__name__ / "raw")])
        raise UserError(
            f"download.name={kind.__name__}: {reason} (tried {', '.join(kind.mirrors)}); "
            "check the address, or set download.mirror to a URL or folder with the official files"
        ) from None


@contextmanager
def patience() -> Iterator[None]:
    """torchvision asks without a timeout, and would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def unofficial(kind: Any, raw: Path) -> Iterator[str]:
    """What came, but is not the official file: torchvision does not say what it found."""
    for file, md5 in kind.resources:
        if (raw / file).is_file() and (found := calculate_md5(raw / file)) != md5:
            yield f"{file}: expected MD5 {md5}, found {found}"


def copy_official_files(kind: Any, mirror: Path, raw: Path) -> None:
    """Copy the official files from a folder, checked, to where torchvision looks for them."""
    raw.mkdir(parents=True)
    for file, md5 in kind.resources:
        path = mirror / file
        if not path.is_file():
            raise UserError(
                f"{path}: no such file, and {kind.__name__} needs it; set download.mirror to a URL or folder "
                "with the official files"
            )
        found = calculate_md5(path)
        if found != md5:
            raise UserError(f"{path}: expected MD5 {md5}, found {found}; fetch the official file again")
        shutil.copyfile(path, raw / file)


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
