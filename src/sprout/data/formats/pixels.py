"""CSV files of pixels as one array of images."""

from collections.abc import Sequence
from math import isqrt, prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.faults import Faults, add, all_of, merged
from sprout.data.formats.pixel_file import PixelFile, look
from sprout.data.formats.room import room
from sprout.data.formats.text_table import numbered, trimmed
from sprout.data.sources.class_names import named, translated
from sprout.data.sources.listing import Listing
from sprout.runtime.errors import UserError

USAGE = {"training": "train", "publictest": "val", "privatetest": "test"}
"""As the challenge of FER2013 named its parts (Goodfellow et al., 2013)."""


def read(
    root: Path,
    scratch: Path,
    *,
    train: str,
    test: str | None,
    shape: Sequence[int] | None,
    classes: Sequence[str] | None,
) -> Listing:
    """Read the pixels into one array, file by file and block by block.

    Args:
        root: where the files lie.
        scratch: a folder for that array.
        train: the file; see `settings.forms.Pixels` for this and all that follow.

    Raises:
        UserError: a file is in neither form, or its images have not this shape.
    """
    files = [look(root, name) for name in (train, test) if name is not None]
    size = shape_of(files, shape)
    images = room(scratch / "pixels.npy", (sum(map(len, files)), *size), np.uint8)
    faults: Faults = {}
    start = 0
    for file in files:
        add(faults, file.fill(images[start : start + len(file)].reshape(len(file), -1)), start)
        start += len(file)
    given = pa.concat_arrays([trimmed(file.text("label")) for file in files])
    labels, label_faults = named(given, classes)
    splits, split_faults = given_usage(files)
    whole = np.concatenate([file.places + before for file, before in zip(files, starts(files), strict=True)])
    nameless = whole[np.asarray(given.is_null())[whole]]
    return Listing(
        images,
        pa.concat_arrays([numbered(file.file.name, len(file)) for file in files]),
        label=labels,
        split=splits,
        classes=None if classes is None else list(classes),
        faults=merged(faults, all_of(nameless, "no label"), label_faults, split_faults),
    )


def starts(files: Sequence[PixelFile]) -> list[int]:
    """The row at which each file begins."""
    return [sum(map(len, files[:place])) for place in range(len(files))]


def shape_of(files: Sequence[PixelFile], shape: Sequence[int] | None) -> tuple[int, ...]:
    """The shape of an image: (H, W) or (H, W, C).

    Raises:
        UserError: a file's images have another number of pixels.
    """
    side = isqrt(files[0].pixels)
    size = (side, side) if shape is None else tuple(shape)
    for file in files:
        if not file.pixels or file.pixels != prod(size):
            has = (
                f"shape={list(size)} has {prod(size)}"
                if shape
                else f"square grey ones have {side}×{side}={side * side}"
            )
            raise UserError(f"{file.file.name}: images of {file.pixels} pixels, but {has}; set shape to [H, W, C]")
    return size


def given_usage(files: Sequence[PixelFile]) -> tuple[pa.Array | None, Faults]:
    """The split of each row: what a file says itself, or which file it is; None where neither tells.

    A second file is the test part.
    """
    splits: list[pa.Array] = []
    faults: Faults = {}
    for place, file in enumerate(files):
        if place == 0 and "usage" in file.texts:
            usage, unknown = translated(pc.utf8_lower(trimmed(file.text("usage"))), USAGE)
            splits.append(usage)
            faults = {
                row: f"Usage {text!r} is none of Training, PublicTest, PrivateTest" for row, text in unknown.items()
            }
        else:
            split = "test" if place else "train" if len(files) > 1 else None
            splits.append(pa.array([split], pa.string()).take(pa.array(np.zeros(len(file), np.int64))))
    joined = pa.concat_arrays(splits)
    return (None if joined.null_count == len(joined) else joined), faults
