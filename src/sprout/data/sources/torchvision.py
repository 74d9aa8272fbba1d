"""Source `torchvision`: its data sets by the name of their class, with official files, checksums and readers.

EMNIST is read in its split `balanced` (47 classes), with the images lying on their side as in the files. torchvision
unpickles the files of CIFAR, whose MD5 it verifies before.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pyarrow as pa

from sprout.config.download import Torchvision
from sprout.data.listing import Array, Files, Listing, texts
from sprout.data.sources.torchvision_splits import SPLITS, OfficialSplit, official_splits, read_split
from sprout.runtime.progress import track

STEP = 1000
"""Images that are copied at a time."""


def fetch(settings: Torchvision, folder: Path, partial: Path) -> None:
    """Download and unpack the official files; `folder` becomes torchvision's `root`.

    Raises:
        UserError: there is no such data set or mirror; or a file cannot be downloaded, or is not the official one.
    """
    from sprout.data.sources.torchvision_files import fetch_official

    fetch_official(folder, partial, name=settings.name, mirror=settings.mirror)


def read(settings: Torchvision, folder: Path, _scratch: Path) -> Listing:
    """List the official splits one after the other, without SVHN's `extra`.

    Raises:
        UserError: the files cannot be read.
    """
    arguments = official_splits(settings.name)
    steps = track(arguments.items(), f"read {settings.name} (splits)", len(arguments))
    splits = {name: read_split(settings.name, folder, each) for name, each in steps}
    labels = [None if index < 0 else split.classes[index] for split in splits.values() for index in split.labels]
    given = [SPLITS[name] for name, split in splits.items() for _ in split.labels]
    # An example without a label cannot test anything.
    usable = ["unlabelled" if label is None else split for label, split in zip(labels, given, strict=True)]
    examples, origin = examples_of(splits, folder)
    return Listing(
        examples=examples,
        origin=origin,
        label=pa.array(labels, pa.string()),
        split=pa.array(usable, pa.string()) if any(given) else None,
        classes=list(dict.fromkeys(name for split in splits.values() for name in split.classes)),
    )


def examples_of(splits: dict[str, OfficialSplit], folder: Path) -> tuple[Files | Array, pa.Array]:
    """Return the examples of all splits, and the origin of each, (N,) large_string: its file, or its row in a split."""
    arrays = [split.examples for split in splits.values() if not isinstance(split.examples, list)]
    if arrays:
        rows = texts(f"{name}:{row}" for name, split in splits.items() for row in range(len(split.labels)))
        return join(arrays, folder.parent), rows
    paths = texts(str(Path(path).relative_to(folder)) for split in splits.values() for path in split.examples)
    return Files(folder, paths), paths


def join(arrays: Sequence[Array], beside: Path) -> Array:
    """Join arrays (n, H, W) or (n, H, W, C) uint8 into a memory-mapped one.

    Its file in the folder `beside` has no name, and disappears with the array.
    """
    shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
    with TemporaryFile(dir=beside) as file:
        for array in arrays:
            for start in range(0, len(array), STEP):
                file.write(np.ascontiguousarray(array[start : start + STEP], np.uint8).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=shape)
