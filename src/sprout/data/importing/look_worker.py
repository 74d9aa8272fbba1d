"""What one process does to look at images: decode each as it is, and note what it is.

Imports only numpy, Pillow and simplejpeg.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from sprout.data.prepare.decode import decode_array, unhindered
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array, Fault
from sprout.data.prepare.worker import DIGEST_BYTES

AS_IT_IS: dict[str, Any] = {"size": None, "channels": None, "resize": "none"}


@dataclass(frozen=True)
class Seen:
    """n images; whatever is of a fault is zero."""

    start: int
    """The row of the first."""
    shapes: Array
    """(n, 3) int32: height, width, channels."""
    grey: Array
    """(n,) bool: whether it shows no colour, however many channels it has."""
    digests: Array
    """(n, 16) uint8: BLAKE2b of the shape and the pixels."""
    faults: dict[int, str]
    """Row → reason."""


@unhindered()
def look_at(start: int, root: str | None, examples: list[str] | Array, max_pixels: int) -> Seen:
    """Decode images at their own size.

    Args:
        start: the row of the first.
        root: where the files lie; None for an array.
        examples: (n,) paths under the root, or (n, H, W) or (n, H, W, C) pixels.
        max_pixels: a file with more is a fault.
    """
    count = len(examples)
    shapes, digests = np.zeros((count, 3), np.int32), np.zeros((count, DIGEST_BYTES), np.uint8)
    seen = Seen(start, shapes, np.zeros(count, bool), digests, {})
    for place, example in enumerate(examples):
        try:
            if root is None:
                pixels = decode_array(example, **AS_IT_IS)
            else:
                pixels = decode_file(root, example, max_pixels=max_pixels, **AS_IT_IS)
        except Fault as fault:
            seen.faults[start + place] = str(fault)
        else:
            note(seen, place, pixels)
    return seen


def note(seen: Seen, place: int, pixels: Array) -> None:
    """Write down what one image is: (H, W, C) uint8."""
    seen.shapes[place] = pixels.shape
    seen.grey[place] = is_grey(pixels)
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=DIGEST_BYTES)
    digest.update(pixels.tobytes())
    seen.digests[place] = np.frombuffer(digest.digest(), np.uint8)


def is_grey(pixels: Array) -> bool:
    """Whether all channels are the same; most colour pictures show it within a few rows: (H, W, C) → bool."""
    return pixels.shape[2] == 1 or (all_equal(pixels[::16]) and all_equal(pixels))


def all_equal(pixels: Array) -> bool:
    """Whether each pixel's channels are the same."""
    return all(np.array_equal(pixels[:, :, 0], pixels[:, :, channel]) for channel in range(1, pixels.shape[2]))
