"""What one process does for the pool: decode a chunk of examples into its place in the scratch file.

Imports only numpy, Pillow and simplejpeg, so that a process starts in a fraction of a second; no pixels of files travel
between processes.
"""

import gc
import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from sprout.data.prepare.decode import decode_array, unhindered
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array, Fault
from sprout.runtime.signals import die_with_parent

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Wanted:
    """What every example is brought to."""

    shape: tuple[int, int, int]
    """(H, W, C)."""
    resize: str
    max_pixels: int
    hashes: bool
    """Whether perceptual hashes are wanted."""


@dataclass(frozen=True)
class Done:
    """A chunk of n examples that lie in the scratch file."""

    start: int
    """The row of the first."""
    digests: Array
    """(n, 16) uint8, zero for a fault."""
    hashes: Array | None
    """(n,) uint64, zero for a fault."""
    faults: dict[int, str]
    """Row → reason; the pixels of such a row are zero."""


def start_worker(parent: int) -> None:
    """Prepare a new process: it ends with its parent, which alone listens to the keyboard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["PARENT_PID"] = str(parent)
    die_with_parent()
    gc.freeze()  # what has been imported stays, and need not be searched for garbage


def decode_chunk(target: str, start: int, root: str | None, examples: list[str] | Array, wanted: Wanted) -> Done:
    """Decode examples and write them at their place.

    Args:
        target: the scratch file.
        start: the row of the first example.
        root: where the files lie; None for an array.
        examples: (n,) paths under the root, or (n, H, W) or (n, H, W, C) pixels.
        wanted: what they are brought to.
    """
    pixels, faults = decoded(root, examples, wanted)
    write_at(target, pixels, start * pixels[:1].nbytes)
    sound = [row not in faults for row in range(len(pixels))]
    digests = b"".join(digest(row) if fine else bytes(DIGEST_BYTES) for row, fine in zip(pixels, sound, strict=True))
    hashes = [perceptual_hash(row) if fine else 0 for row, fine in zip(pixels, sound, strict=True) if wanted.hashes]
    return Done(
        start,
        np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
        np.array(hashes, np.uint64) if wanted.hashes else None,
        {start + row: reason for row, reason in faults.items()},
    )


@unhindered()
def decoded(root: str | None, examples: list[str] | Array, wanted: Wanted) -> tuple[Array, dict[int, str]]:
    """The pixels (n, H, W, C) uint8, and what is wrong, by the place in the chunk."""
    if isinstance(examples, np.ndarray) and is_plain(examples, wanted.shape):
        return np.ascontiguousarray(examples).reshape(-1, *wanted.shape), {}
    height, width, channels = wanted.shape
    decode = decoder(root, (height, width), channels, wanted.resize, wanted.max_pixels)
    pixels, faults = np.zeros((len(examples), *wanted.shape), np.uint8), {}
    for row, example in enumerate(examples):
        try:
            pixels[row] = decode(example)
        except Fault as fault:
            faults[row] = str(fault)
    return pixels, faults


def decoder(
    root: str | None, size: tuple[int, int] | None, channels: int | None, resize: str, max_pixels: int
) -> Callable[[Any], Array]:
    """What decodes one example: a path under the root, or pixels where there is no root."""
    if root is None:
        return partial(decode_array, size=size, channels=channels, resize=resize)
    return partial(decode_file, root, size=size, channels=channels, resize=resize, max_pixels=max_pixels)


def is_plain(examples: Array, shape: tuple[int, int, int]) -> bool:
    """Whether images in an array need no conversion."""
    return examples.dtype == np.uint8 and (*examples.shape[1:], 1)[:3] == shape


def write_at(target: str, pixels: Array, offset: int) -> None:
    """Write bytes at an offset, all of them: the system may take fewer at a time."""
    left = pixels.data.cast("B")
    file = os.open(target, os.O_WRONLY)
    try:
        while left:
            written = os.pwrite(file, left, offset)
            left, offset = left[written:], offset + written
    finally:
        os.close(file)


def digest(pixels: Array) -> bytes:
    """BLAKE2b of the pixels."""
    return hashlib.blake2b(pixels.data, digest_size=DIGEST_BYTES).digest()


def perceptual_hash(pixels: Array) -> int:
    """64 bits that change little when a picture does: (H, W, C) uint8 → the signs of its lowest frequencies (pHash)."""
    import imagehash

    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return int.from_bytes(np.packbits(imagehash.phash(picture).hash).tobytes(), "big")
