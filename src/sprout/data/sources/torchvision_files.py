"""The official files of torchvision's data sets: downloaded, verified and unpacked.

Files that torchvision lists as an attribute of its class are downloaded by `fetch_file`, which resumes and retries. The
others torchvision downloads itself.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from sprout.data.sources.torchvision_splits import official_splits
from sprout.data.sources.transfer import fetch_file
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

TIMEOUT = 60.0
"""Seconds without data after which torchvision's own download fails."""
ADVICE = "set download.mirror to a URL or folder with the official files"
FER2013_PAGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"


class OfficialFile(NamedTuple):
    """An official file."""

    path: str
    """Where torchvision looks for it, under its root; a mirror has it under the last component."""
    urls: list[str]
    """Addresses in the order of torchvision; none if it cannot be downloaded."""
    md5: str


def fetch_official(folder: Path, partial: Path, *, name: str, mirror: str | None) -> None:
    """Download and unpack the official files of a data set.

    Args:
        folder: torchvision's `root`; empty.
        partial: a folder for incomplete downloads.
        name: the class in `torchvision.datasets`.
        mirror: a URL or folder with the official files; None takes torchvision's addresses.

    Raises:
        UserError: there is no such data set or mirror; or a file cannot be downloaded, or is not the official one.
    """
    official_splits(name)  # refuses an unknown name before torchvision is imported, which takes seconds
    from torchvision import datasets

    kind = getattr(datasets, name)
    files = (
        fer2013_files(kind, names_in(mirror) if mirror else set()) if name == "FER2013" else listed_files(name, kind)
    )
    for file in files or []:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        urls = file.urls if mirror is None else [f"{mirror.rstrip('/')}/{path.name}"]
        what = f"{name}: {path.name}"
        fetch_file(what, urls, path, partial=partial, checksum=file.md5, algorithm="md5", advice=ADVICE)
    if files is None and mirror is not None:
        raise UserError(f"download.mirror={mirror}: torchvision downloads the files of {name} itself; set it to null")
    if name != "FER2013":
        unpack(name, kind, folder)


def listed_files(name: str, kind: Any) -> list[OfficialFile] | None:
    """Return the files of a data set; None if torchvision's class does not list them.

    Args:
        name: the name of the class.
        kind: the class.
    """
    raw = f"{name}/raw/"
    if name in ("MNIST", "FashionMNIST", "KMNIST"):
        return [OfficialFile(raw + file, [base + file for base in kind.mirrors], md5) for file, md5 in kind.resources]
    if name == "QMNIST":
        resources = [each for split in ("train", "test") for each in kind.resources[split]]
        return [OfficialFile(raw + PurePosixPath(url).name, [url], md5) for url, md5 in resources]
    if name == "EMNIST":
        return [OfficialFile(raw + PurePosixPath(kind.url).name, [kind.url], kind.md5)]
    if name in ("CIFAR10", "CIFAR100", "STL10"):
        return [OfficialFile(kind.filename, [kind.url], kind.tgz_md5)]
    if name in ("SVHN", "USPS"):
        listed = [kind.split_list[split] for split in ("train", "test")]
        return [OfficialFile(file, [url], md5) for url, file, md5 in listed]
    return None


def fer2013_files(kind: Any, available: set[str]) -> list[OfficialFile]:
    """Return the files of FER2013 to use: one with both splits if available, else one for each split.

    Args:
        kind: torchvision's class.
        available: names of files in the mirror.

    Raises:
        UserError: the available files do not suffice.
    """
    choices = [[kind._RESOURCES[key] for key in keys] for keys in (("fer",), ("icml",), ("train", "test"))]
    for files in choices:
        if {file for file, _ in files} <= available:
            return [OfficialFile(f"fer2013/{file}", [], md5) for file, md5 in files]
    accepted = ", or ".join(" and ".join(f"{file} (MD5 {md5})" for file, md5 in files) for files in choices)
    raise UserError(
        f"FER2013 cannot be downloaded without an account: download {accepted} from {FER2013_PAGE} "
        "and set download.mirror to the folder with it"
    )


def names_in(mirror: str) -> set[str]:
    """Return the names of the files in a folder.

    Raises:
        UserError: there is no such folder.
    """
    folder = os.path.expanduser(mirror)
    if not os.path.isdir(folder):
        raise UserError(f"download.mirror={mirror}: no such folder; name the one with the official files")
    return set(os.listdir(folder))


def unpack(name: str, kind: Any, folder: Path) -> None:
    """Let torchvision unpack the files, and download those that are missing.

    Raises:
        UserError: it fails.
    """
    # STL-10's archive contains all splits, and the unlabelled one would not fit into memory.
    splits = [arguments for split, arguments in official_splits(name).items() if split != "unlabeled"]
    for arguments in track(splits, f"unpack {name} (splits)", len(splits)):
        try:
            with socket_timeout(TIMEOUT):
                kind(folder, **{**arguments, "download": True})
        except Exception as error:  # each class has its own
            raise UserError(
                f"{name}: torchvision cannot download and unpack the files ({one_line(error)}); try again"
            ) from error


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Limit the wait for a socket inside the block."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
