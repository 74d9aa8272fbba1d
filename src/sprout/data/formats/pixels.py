"""Format `pixels`: CSV files of pixels, as one array of images."""

from collections.abc import Sequence
from math import isqrt, prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Pixels
from sprout.data.formats.labels import class_names, translate
from sprout.data.formats.npy import allocate
from sprout.data.formats.pixel_file import PixelFile, open_pixel_file
from sprout.data.formats.values import row_names, trimmed
from sprout.data.listing import Array, Faults, Listing, add_faults, merge_faults, same_fault
from sprout.runtime.errors import UserError

USAGE = {"training": "train", "publictest": "val", "privatetest": "test"}
"""Names of the splits in the challenge of FER2013 (Goodfellow et al., 2013)."""


def read(root: Path, scratch: Path, settings: Pixels) -> Listing:
    """Read the pixels into one array, file by file and block by block.

    Args:
        root: the data folder.
        scratch: a folder for that array.
        settings: the files, and the shape of an image.

    Raises:
        UserError: a file has neither layout of pixels, or its images have another shape.
    """
    files = [open_pixel_file(root, name) for name in (settings.train, settings.test) if name is not None]
    images = allocate(scratch / "pixels.npy", (sum(map(len, files)), *image_shape(files, settings.shape)), np.uint8)
    faults: Faults = {}
    starts = np.cumsum([0, *map(len, files)]).tolist()
    for file, start in zip(files, starts, strict=False):
        add_faults(faults, file.fill(images[start : start + len(file)].reshape(len(file), -1)), start)
    given = pa.concat_arrays([trimmed(file.text("label")) for file in files])
    labels, label_faults = class_names(given, settings.classes)
    splits, split_faults = usage_splits(files)
    complete = np.concatenate([file.places + start for file, start in zip(files, starts, strict=False)])
    unlabelled: Array = complete[np.asarray(given.is_null())[complete]]
    return Listing(
        images,
        pa.concat_arrays([row_names(file.file.name, len(file)) for file in files]),
        label=labels,
        split=splits,
        classes=None if settings.classes is None else list(settings.classes),
        faults=merge_faults(faults, same_fault(unlabelled, "no label"), label_faults, split_faults),
    )


def image_shape(files: Sequence[PixelFile], shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape of an image: (H, W) or (H, W, C).

    Raises:
        UserError: a file's images have another number of pixels.
    """
    side = isqrt(files[0].pixels)
    size = (side, side) if shape is None else tuple(shape)
    for file in files:
        if not file.pixels or file.pixels != prod(size):
            expected = f"shape={list(size)} has {prod(size)}" if shape else f"{side}×{side} grey ones have {side**2}"
            raise UserError(f"{file.file.name}: images of {file.pixels} pixels, but {expected}; set shape to [H, W, C]")
    return size


def usage_splits(files: Sequence[PixelFile]) -> tuple[pa.Array | None, Faults]:
    """Return the split of each row by the first file's column Usage, or by file, the second one being test.

    Returns:
        (N,) string; None if there is a single file without that column; and the faults.
    """
    splits: list[pa.Array] = []
    faults: Faults = {}
    for place, file in enumerate(files):
        if place == 0 and "usage" in file.texts:
            usage, unknown = translate(pc.utf8_lower(trimmed(file.text("usage"))), USAGE)
            splits.append(usage)
            faults = {
                row: f"Usage {text!r} is none of Training, PublicTest, PrivateTest" for row, text in unknown.items()
            }
        else:
            split = "test" if place else "train" if len(files) > 1 else None
            splits.append(pa.array([split], pa.string()).take(pa.array(np.zeros(len(file), np.int64))))
    joined = pa.concat_arrays(splits)
    return (None if joined.null_count == len(joined) else joined), faults
