"""Which data sets of torchvision are read, in which parts, and where its classes keep the examples and labels."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.sources.listing import Array
from sprout.runtime.errors import UserError, one_line

Arguments = dict[str, Any]


def by_flag(**more: Any) -> dict[str, Arguments]:
    """A set whose class asks `train=True` or `train=False`."""
    return {"train": {"train": True, **more}, "test": {"train": False, **more}}


def by_name(*names: str) -> dict[str, Arguments]:
    """A set whose class asks `split="train"` and so on."""
    return {name: {"split": name} for name in names}


WHOLE: dict[str, Arguments] = {"all": {}}
"""A set that is not split."""

SETS: dict[str, dict[str, Arguments]] = {
    "MNIST": by_flag(),
    "FashionMNIST": by_flag(),
    "KMNIST": by_flag(),
    "QMNIST": by_flag(),
    "EMNIST": by_flag(split="balanced"),
    "USPS": by_flag(),
    "SEMEION": {"all": {"download": False}},  # its class would download unasked
    "CIFAR10": by_flag(),
    "CIFAR100": by_flag(),
    "SVHN": by_name("train", "test"),
    "STL10": by_name("train", "unlabeled", "test"),
    "FER2013": by_name("train", "test"),
    "Country211": by_name("train", "valid", "test"),
    "DTD": by_name("train", "val", "test"),
    "EuroSAT": WHOLE,
    "FGVCAircraft": by_name("train", "val", "test"),
    "Flowers102": by_name("train", "val", "test"),
    "Food101": by_name("train", "test"),
    "GTSRB": by_name("train", "test"),
    "Imagenette": by_name("train", "val"),
    "OxfordIIITPet": by_name("trainval", "test"),
    "RenderedSST2": by_name("train", "val", "test"),
    "SUN397": WHOLE,
}
"""Class in `torchvision.datasets` → part → what its constructor is asked."""

SPLITS = {
    "train": "train",
    "trainval": "train",
    "val": "val",
    "valid": "val",
    "unlabeled": "unlabelled",
    "test": "test",
    "all": None,
}
"""torchvision's name of a part → ours; None: it is to be drawn."""


def parts_of(name: str) -> dict[str, Arguments]:
    """The parts of a set and what the constructor is asked for each.

    Raises:
        UserError: torchvision has no classification set of this name that can be read here.
    """
    if name in SETS:
        return SETS[name]
    spelled = {known.casefold(): known for known in SETS}
    near = [spelled[word] for word in difflib.get_close_matches(name.casefold(), spelled)]
    raise UserError(
        f"download.name: {name!r} is not a classification set of torchvision that can be read here"
        + (f" (did you mean {' or '.join(near)}?)" if near else "")
        + f"; there are {', '.join(SETS)}"
    )


@dataclass(frozen=True)
class Part:
    """One part of a set, as torchvision's class holds it."""

    examples: Array | list[str]
    """Images (N, H, W) or (N, H, W, C) uint8; or paths of image files."""
    labels: list[int]
    """(N,) class indices; −1 where the class is not known."""
    classes: list[str]


def read_part(name: str, folder: Path, arguments: Arguments) -> Part:
    """Read one part through torchvision's class.

    Raises:
        UserError: the files are not as they should be, or torchvision keeps them in a way that is not known here.
    """
    if name == "STL10":
        return stl10(folder, arguments["split"])
    from torchvision import datasets

    try:
        held = getattr(datasets, name)(folder, **arguments)
    except Exception as error:  # whatever a reader stumbles over in a damaged file
        said = one_line(error)
        raise UserError(f"{folder}: {name} cannot be read ({said}); run `dvc repro -f download`") from error
    examples, labels = contents(name, held)
    return Part(examples, labels, class_names(held, labels))


def contents(name: str, held: Any) -> tuple[Array | list[str], list[int]]:
    """Examples and class indices of a set that torchvision has read.

    Files come in the order of their paths: some of torchvision's classes take that of the file system.

    Raises:
        UserError: it holds neither images nor files with labels.
    """
    if name == "FER2013":
        tensors, labels = zip(*held._samples, strict=True)
        return np.stack([tensor.numpy() for tensor in tensors]), indices(labels)
    if hasattr(held, "data"):
        images = np.asarray(held.data)
        # Only SVHN's reader puts the channels first.
        channels_last = images.transpose(0, 2, 3, 1) if name == "SVHN" else images
        return channels_last, indices(first_of(held, "targets", "labels"))
    samples = first_of(held, "samples", "_samples")
    if samples is None:
        files, labels = first_of(held, "_image_files", "_images"), first_of(held, "_labels")
        if files is None or labels is None:
            raise UserError(f"download.name: torchvision's class {name} holds no list of images and labels")
        samples = zip(files, labels, strict=True)
    ordered = sorted((str(path), int(label)) for path, label in samples)
    return [path for path, _ in ordered], [label for _, label in ordered]


def first_of(held: Any, *attributes: str) -> Any:
    """The first of these attributes that is there, or None."""
    return next((getattr(held, attribute) for attribute in attributes if hasattr(held, attribute)), None)


def indices(labels: Sequence[int | None] | Array) -> list[int]:
    """Class indices as a list, −1 for None; QMNIST's labels are rows that begin with the class."""
    if hasattr(labels, "ndim"):
        first: list[int] = np.asarray(labels).reshape(len(labels), -1)[:, 0].tolist()
        return first
    return [-1 if label is None else int(label) for label in labels]


def class_names(held: Any, labels: list[int]) -> list[str]:
    """The names that torchvision knows; otherwise the indices themselves. Of several names for a class, the first."""
    if hasattr(held, "classes"):
        return [name if isinstance(name, str) else str(name[0]) for name in held.classes]
    return [str(index) for index in range(max(labels, default=-1) + 1)]


def stl10(folder: Path, split: str) -> Part:
    """A part of STL-10, memory-mapped: torchvision's class would hold 2.7 GB of unlabelled images in memory.

    The official files hold the images as (N, 3, 96, 96), each channel column by column, and the classes from 1.
    """
    files = folder / "stl10_binary"
    stored = np.memmap(files / f"{split}_X.bin", np.uint8, "r").reshape(-1, 3, 96, 96)
    known = split != "unlabeled"
    labels = np.fromfile(files / f"{split}_y.bin", np.uint8).astype(int) - 1 if known else np.full(len(stored), -1)
    classes = (files / "class_names.txt").read_text(encoding="utf-8").splitlines()
    return Part(stored.transpose(0, 3, 2, 1), labels.tolist(), classes)
