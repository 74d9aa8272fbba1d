"""What one worker process does to scan images: decode each at its own size and describe it.

Imports only numpy, Pillow and simplejpeg.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from sprout.data.contents import contents
from sprout.data.importing.window import BINS, count_levels
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.open_image import Raw
from sprout.data.prepare.parts import DIGEST_BYTES
from sprout.data.prepare.pixels import Array, Levels
from sprout.data.prepare.worker import decoder


@dataclass(frozen=True)
class ScannedChunk:
    """What is known of n images; all arrays are zero for a fault."""

    start: int
    """The row of the first."""
    shapes: Array
    """(n, 3) int32: height, width, channels."""
    grey: Array
    """(n,) bool: shows no colour, even where it has three channels."""
    digests: Array
    """(n, 16) uint8: BLAKE2b of the shape and the pixels."""
    raw: list[Raw]
    """Of each image, what its 8-bit pixels do not show."""
    used: Array
    """(256,) bool: levels that a pixel of an image of more than 8 bits has."""
    faults: dict[int, str]
    """Row → reason."""
    counts: dict[int, int]
    """Bin of `window.count_levels` → pixels of more than 8 bits, of the images to be counted."""


@without_pillow_limits()
def scan_chunk(
    start: int,
    root: str | None,
    examples: list[str] | Array,
    max_pixels: int,
    levels: Levels | None,
    counted: Array,
) -> ScannedChunk:
    """Decode images at their own size and describe them.

    Args:
        start: the row of the first.
        root: where the files lie; None for an array.
        examples: (n,) paths under the root, or (n, H, W) or (n, H, W, C) pixels.
        max_pixels: a file with more is a fault.
        levels: what becomes black and white in images of more than 8 bits; None means the whole range.
        counted: (n,) bool: whose pixels of more than 8 bits are to be counted.
    """
    decode = decoder(root, ImageFormat(None, None, "none", max_pixels, levels))
    count = len(examples)
    shapes, digests = np.zeros((count, 3), np.int32), np.zeros((count, DIGEST_BYTES), np.uint8)
    raw = [Raw() for _ in range(count)]
    chunk = ScannedChunk(start, shapes, np.zeros(count, bool), digests, raw, np.zeros(256, bool), {}, {})
    counts = np.zeros(BINS if counted.any() else 0, np.int64)
    for position, example in enumerate(contents(root, examples)):
        try:
            pixels = decode(example, raw=raw[position])
        except Fault as fault:
            chunk.faults[start + position] = str(fault)
        else:
            describe(chunk, position, pixels)
            deep = raw[position].pixels
            if deep is not None and counted[position] and raw[position].levels is not None:
                counts += count_levels(deep, levels)
        raw[position].pixels = None  # they are held of one image at a time, and go to no other process
    chunk.counts.update({int(bin): int(counts[bin]) for bin in np.flatnonzero(counts)})
    return chunk


def describe(chunk: ScannedChunk, position: int, pixels: Array) -> None:
    """Store what is known of one image: (H, W, C) uint8."""
    chunk.shapes[position] = pixels.shape
    chunk.grey[position] = is_grey(pixels)
    if chunk.raw[position].levels is not None:
        chunk.used[np.unique(pixels)] = True
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=DIGEST_BYTES)
    digest.update(pixels.tobytes())
    chunk.digests[position] = np.frombuffer(digest.digest(), np.uint8)


def is_grey(pixels: Array) -> bool:
    """Whether all channels of (H, W, C) pixels are equal; every 16th row is checked first, where most colour shows."""
    return pixels.shape[2] == 1 or (channels_equal(pixels[::16]) and channels_equal(pixels))


def channels_equal(pixels: Array) -> bool:
    """Whether the channels of each pixel are equal."""
    return all(np.array_equal(pixels[:, :, 0], pixels[:, :, channel]) for channel in range(1, pixels.shape[2]))
