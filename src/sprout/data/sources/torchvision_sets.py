"""Data sets of torchvision by the name of their class: official files, official checksums, torchvision's readers.

Where torchvision states a set's files as an attribute of its class, they are fetched by `transfer.bring`: its own
download neither tries again nor goes on where it was cut off. The other sets it fetches itself. EMNIST is read in
its split `balanced` (47 classes), its images lying on their side as they came.

torchvision's reader of CIFAR unpickles the official files; each one's MD5 is checked before, by torchvision itself.

Importing torchvision takes seconds: that is done inside functions.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.sources.listing import Array, Files, Listing
from sprout.data.sources.torchvision_files import Official, fer2013, official
from sprout.data.sources.torchvision_parts import SPLITS, Part, parts_of, read_part
from sprout.data.sources.transfer import bring
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

SILENCE = 60.0
"""A server that sends nothing to torchvision's own download for so many seconds is given up."""
STEP = 1000
"""Images that are copied at once."""
ADVICE = "set download.mirror to a URL or folder with the official files"


def fetch(folder: Path, parts: Path, *, name: str, mirror: str | None) -> None:
    """Fetch the official files of a data set and unpack them.

    Args:
        folder: torchvision's `root`; empty.
        parts: a folder for what has come of a file so far.
        name: the class in `torchvision.datasets`.
        mirror: a URL or a folder that holds the official files; None for torchvision's addresses.

    Raises:
        UserError: no such set, no such mirror, or a file cannot be had or is not the official one.
    """
    parts_of(name)
    from torchvision import datasets

    kind = getattr(datasets, name)
    if name == "FER2013":
        there = mirrored(mirror) if mirror else set()
        bring_all(name, fer2013(kind, there), folder, parts, mirror)
        return
    files = official(name, kind)
    if files is not None:
        bring_all(name, files, folder, parts, mirror)
    elif mirror is not None:
        raise UserError(f"download.mirror={mirror}: torchvision fetches the files of {name} itself; set it to null")
    unpack(name, kind, folder)


def bring_all(name: str, files: list[Official], folder: Path, parts: Path, mirror: str | None) -> None:
    """Bring files to where torchvision looks for them, checked by their MD5."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        urls = file.urls if mirror is None else [f"{mirror.rstrip('/')}/{path.name}"]
        what = f"{name}: {path.name}"
        bring(what, urls, path, parts=parts, digest=file.md5, algorithm="md5", advice=ADVICE)


def unpack(name: str, kind: Any, folder: Path) -> None:
    """Let torchvision unpack the files, after it has fetched those that are not there yet.

    Raises:
        UserError: it fails; in its words.
    """
    # STL-10's one archive holds all parts, and this one would not fit into memory.
    wanted = [arguments for which, arguments in parts_of(name).items() if which != "unlabeled"]
    for arguments in track(wanted, f"unpack {name} (parts)", len(wanted)):
        try:
            with timeout(SILENCE):
                kind(folder, **{**arguments, "download": True})
        except Exception as error:  # each set's class has its own
            said = one_line(error)
            raise UserError(f"{name}: torchvision cannot fetch and unpack its files ({said}); try again") from error


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Inside the block, a socket that is not told otherwise waits no longer than this."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read(folder: Path, *, name: str) -> Listing:
    """List the official parts one after the other; SVHN's `extra` is left out.

    Args:
        folder: where `fetch` has brought the files.
        name: the class in `torchvision.datasets`.

    Raises:
        UserError: the files cannot be read.
    """
    wanted = parts_of(name)
    steps = track(wanted.items(), f"read {name} (parts)", len(wanted))
    held = {which: read_part(name, folder, arguments) for which, arguments in steps}
    labels = [class_of(index, each) for each in held.values() for index in each.labels]
    splits = [SPLITS[which] for which, each in held.items() for _ in each.labels]
    # Without a label, no example can test anything.
    given = ["unlabelled" if label is None else split for label, split in zip(labels, splits, strict=True)]
    examples, origin = examples_of(held, folder)
    return Listing(
        examples=examples,
        origin=pa.array(origin, pa.string()),
        label=pa.array(labels, pa.string()),
        split=pa.array(given, pa.string()) if any(splits) else None,
        classes=list(dict.fromkeys(label for each in held.values() for label in each.classes)),
    )


def class_of(index: int, each: Part) -> str | None:
    """The name of a class; None where it is not known."""
    return None if index < 0 else each.classes[index]


def examples_of(held: dict[str, Part], folder: Path) -> tuple[Files | Array, list[str]]:
    """All parts' examples, and where each one comes from: its file, or its place in its part."""
    arrays = [each.examples for each in held.values() if not isinstance(each.examples, list)]
    if arrays:
        places = [f"{which}:{row}" for which, each in held.items() for row in range(len(each.labels))]
        return joined(arrays, folder.parent), places
    found = [path for each in held.values() for path in each.examples]
    paths = [str(Path(path).relative_to(folder)) for path in found]
    return Files(folder, paths), paths


def joined(arrays: Sequence[Array], beside: Path) -> Array:
    """Arrays (n, H, W) or (n, H, W, C) uint8 one after the other, memory-mapped.

    They lie in a file without a name in the folder `beside`, which is gone when the array is.
    """
    shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
    with TemporaryFile(dir=beside) as file:
        for array in arrays:
            for start in range(0, len(array), STEP):
                file.write(np.ascontiguousarray(array[start : start + STEP], np.uint8).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=shape)


def mirrored(mirror: str) -> set[str]:
    """The names of what lies in a folder.

    Raises:
        UserError: there is no such folder.
    """
    folder = os.path.expanduser(mirror)
    if not os.path.isdir(folder):
        raise UserError(f"download.mirror={mirror}: no such folder; name the one with the official files")
    return set(os.listdir(folder))
