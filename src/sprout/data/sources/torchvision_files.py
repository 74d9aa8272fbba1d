"""The official files of those sets whose list, with checksums, is an attribute of torchvision's class."""

from pathlib import PurePosixPath
from typing import Any, NamedTuple

from sprout.runtime.errors import UserError

FER2013_PAGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"


class Official(NamedTuple):
    """An official file."""

    path: str
    """Where torchvision looks for it, under its root; a mirror has it under the last part of this."""
    urls: list[str]
    """Where torchvision would fetch it, the first one first; none where it cannot."""
    md5: str


def official(name: str, kind: Any) -> list[Official] | None:
    """The files of a set.

    Args:
        name: the class's name.
        kind: the class.

    Returns:
        None where torchvision has no list that can be read.
    """
    raw = f"{name}/raw/"
    if name in ("MNIST", "FashionMNIST", "KMNIST"):
        return [Official(raw + file, [mirror + file for mirror in kind.mirrors], md5) for file, md5 in kind.resources]
    if name == "QMNIST":
        return [
            Official(raw + PurePosixPath(url).name, [url], md5)
            for part in ("train", "test")
            for url, md5 in kind.resources[part]
        ]
    if name == "EMNIST":
        return [Official(raw + PurePosixPath(kind.url).name, [kind.url], kind.md5)]
    if name in ("CIFAR10", "CIFAR100", "STL10"):
        return [Official(kind.filename, [kind.url], kind.tgz_md5)]
    if name in ("SVHN", "USPS"):
        return [Official(file, [url], md5) for url, file, md5 in (kind.split_list[part] for part in ("train", "test"))]
    return None


def fer2013(kind: Any, there: set[str]) -> list[Official]:
    """The files of FER2013 that are used, of those that are there: one with both parts before one for each part.

    Args:
        kind: torchvision's class.
        there: names of the files at hand.

    Raises:
        UserError: what is there does not do.
    """
    choices = [[kind._RESOURCES[key] for key in keys] for keys in (("fer",), ("icml",), ("train", "test"))]
    for files in choices:
        if {file for file, _ in files} <= there:
            return [Official(f"fer2013/{file}", [], md5) for file, md5 in files]
    wanted = ", or ".join(" and ".join(f"{file} (MD5 {md5})" for file, md5 in files) for files in choices)
    raise UserError(
        f"FER2013 cannot be downloaded without an account: fetch {wanted} from {FER2013_PAGE} "
        "and set download.mirror to the folder where it lies"
    )
