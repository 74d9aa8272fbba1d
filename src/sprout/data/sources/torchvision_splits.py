"""The data sets of torchvision that can be read, their official splits, and the examples in torchvision's classes."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.listing import Array
from sprout.runtime.errors import UserError, one_line

Arguments = dict[str, Any]


def by_flag(**more: Any) -> dict[str, Arguments]:
    """Return the splits of a class with an argument `train`, True or False."""
    return {"train": {"train": True, **more}, "test": {"train": False, **more}}


def by_name(*names: str) -> dict[str, Arguments]:
    """Return the splits of a class with an argument `split`."""
    return {name: {"split": name} for name in names}


UNSPLIT: dict[str, Arguments] = {"all": {}}

SETS: dict[str, dict[str, Arguments]] = {
    "MNIST": by_flag(),
    "FashionMNIST": by_flag(),
    "KMNIST": by_flag(),
    "QMNIST": by_flag(),
    "EMNIST": by_flag(split="balanced"),
    "USPS": by_flag(),
    "SEMEION": {"all": {"download": False}},  # its class downloads by default
    "CIFAR10": by_flag(),
    "CIFAR100": by_flag(),
    "SVHN": by_name("train", "test"),
    "STL10": by_name("train", "unlabeled", "test"),
    "FER2013": by_name("train", "test"),
    "Country211": by_name("train", "valid", "test"),
    "DTD": by_name("train", "val", "test"),
    "EuroSAT": UNSPLIT,
    "FGVCAircraft": by_name("train", "val", "test"),
    "Flowers102": by_name("train", "val", "test"),
    "Food101": by_name("train", "test"),
    "GTSRB": by_name("train", "test"),
    "Imagenette": by_name("train", "val"),
    "OxfordIIITPet": by_name("trainval", "test"),
    "RenderedSST2": by_name("train", "val", "test"),
    "SUN397": UNSPLIT,
}
"""Class in `torchvision.datasets` → official split → arguments of the constructor."""

SPLITS = {
    "train": "train",
    "trainval": "train",
    "val": "val",
    "valid": "val",
    "unlabeled": "unlabelled",
    "test": "test",
    "all": None,
}
"""torchvision's name of a split → one of `listing.SPLITS`; None: to be drawn."""


def official_splits(name: str) -> dict[str, Arguments]:
    """Return the splits of a data set, with the constructor's arguments for each.

    Raises:
        UserError: torchvision has no classification data set of this name that can be read here.
    """
    if name in SETS:
        return SETS[name]
    spelled = {known.casefold(): known for known in SETS}
    near = [spelled[word] for word in difflib.get_close_matches(name.casefold(), spelled)]
    raise UserError(
        f"download.name={name}: not a classification data set of torchvision that can be read here"
        + (f" (did you mean {' or '.join(near)}?)" if near else "")
        + f"; accepted: {', '.join(SETS)}"
    )


@dataclass(frozen=True)
class OfficialSplit:
    """The examples of one split."""

    examples: Array | list[str]
    """Images (N, H, W) or (N, H, W, C) uint8; or the paths of N image files."""
    labels: list[int]
    """(N,) class indices; −1: unknown."""
    classes: list[str]


def read_split(name: str, folder: Path, arguments: Arguments) -> OfficialSplit:
    """Read one split with torchvision's class.

    Raises:
        UserError: the files are damaged, or the class keeps its examples in an unknown way.
    """
    if name == "STL10":
        return read_stl10(folder, arguments["split"])
    from torchvision import datasets

    try:
        dataset = getattr(datasets, name)(folder, **arguments)
    except Exception as error:  # damaged files make the readers raise nearly every type
        raise UserError(f"{folder}: {name} cannot be read ({one_line(error)}); run `dvc repro -f download`") from error
    examples, labels = contents(name, dataset)
    return OfficialSplit(examples, labels, class_names(dataset, labels))


def contents(name: str, dataset: Any) -> tuple[Array | list[str], list[int]]:
    """Return the examples and class indices of a data set.

    Files are sorted by path, as some classes list them in the order of the file system.

    Raises:
        UserError: it has neither images nor files with labels.
    """
    if name == "FER2013":
        tensors, labels = zip(*dataset._samples, strict=True)
        return np.stack([tensor.numpy() for tensor in tensors]), indices(labels)
    if hasattr(dataset, "data"):
        images = np.asarray(dataset.data)
        # Only SVHN has the channels first.
        channels_last = images.transpose(0, 2, 3, 1) if name == "SVHN" else images
        return channels_last, indices(first_of(dataset, "targets", "labels"))
    samples = first_of(dataset, "samples", "_samples")
    if samples is None:
        files, labels = first_of(dataset, "_image_files", "_images"), first_of(dataset, "_labels")
        if files is None or labels is None:
            raise UserError(f"download.name: torchvision's class {name} has no list of images and labels")
        samples = zip(files, labels, strict=True)
    ordered = sorted((str(path), int(label)) for path, label in samples)
    return [path for path, _ in ordered], [label for _, label in ordered]


def first_of(dataset: Any, *attributes: str) -> Any:
    """Return the first of these attributes that exists, or None."""
    return next((getattr(dataset, attribute) for attribute in attributes if hasattr(dataset, attribute)), None)


def indices(labels: Sequence[int | None] | Array) -> list[int]:
    """Return class indices as a list, −1 for None; QMNIST has rows that begin with the class."""
    if hasattr(labels, "ndim"):
        first: list[int] = np.asarray(labels).reshape(len(labels), -1)[:, 0].tolist()
        return first
    return [-1 if label is None else int(label) for label in labels]


def class_names(dataset: Any, labels: list[int]) -> list[str]:
    """Return the class names, the first of several for a class; the indices if torchvision has no names."""
    if hasattr(dataset, "classes"):
        return [name if isinstance(name, str) else str(name[0]) for name in dataset.classes]
    return [str(index) for index in range(max(labels, default=-1) + 1)]


def read_stl10(folder: Path, split: str) -> OfficialSplit:
    """Read a split of STL-10, memory-mapped: torchvision's class loads 2.7 GB of unlabelled images into memory.

    The files contain images as (N, 3, 96, 96), each channel column by column, and classes from 1.
    """
    files = folder / "stl10_binary"
    stored = np.memmap(files / f"{split}_X.bin", np.uint8, "r").reshape(-1, 3, 96, 96)
    known = split != "unlabeled"
    labels = np.fromfile(files / f"{split}_y.bin", np.uint8).astype(int) - 1 if known else np.full(len(stored), -1)
    classes = (files / "class_names.txt").read_text(encoding="utf-8").splitlines()
    return OfficialSplit(stored.transpose(0, 3, 2, 1), labels.tolist(), classes)
