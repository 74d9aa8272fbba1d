"""What one worker process does: decode a chunk of examples into its place in the scratch file.

Imports only numpy, Pillow and simplejpeg, so that a process starts in a fraction of a second. Pixels of files never
travel between processes.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from sprout.data.prepare.decode import ImageFormat, decode_array
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array

DIGEST_BYTES = 16


@dataclass(frozen=True)
class DecodedChunk:
    """What is known of n examples whose pixels are in the scratch file."""

    start: int
    """The row of the first."""
    digests: Array
    """(n, 16) uint8, zero for a fault."""
    hashes: Array | None
    """(n,) uint64, zero for a fault; None where they were not requested."""
    faults: dict[int, str]
    """Row → reason; the pixels of such a row are zero."""


def decode_chunk(
    scratch: str,
    start: int,
    root: str | None,
    examples: list[str] | Array,
    shape: tuple[int, int, int],
    target: ImageFormat,
    hashes: bool,
) -> DecodedChunk:
    """Decode examples and write them to their place in the scratch file.

    Args:
        scratch: the file.
        start: the row of the first example.
        root: where the files lie; None for an array.
        examples: (n,) paths under the root, or (n, H, W) or (n, H, W, C) pixels.
        shape: (H, W, C) of every decoded example.
        target: the format with this size and these channels.
        hashes: whether to compute perceptual hashes.
    """
    pixels, faults = decode_examples(root, examples, shape, target)
    write_at(scratch, pixels, start * pixels[:1].nbytes)
    usable = [row not in faults for row in range(len(pixels))]
    digests = b"".join(digest(row) if fine else bytes(DIGEST_BYTES) for row, fine in zip(pixels, usable, strict=True))
    codes = [perceptual_hash(row) if fine else 0 for row, fine in zip(pixels, usable, strict=True) if hashes]
    return DecodedChunk(
        start,
        np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
        np.array(codes, np.uint64) if hashes else None,
        {start + row: reason for row, reason in faults.items()},
    )


@without_pillow_limits()
def decode_examples(
    root: str | None, examples: list[str] | Array, shape: tuple[int, int, int], target: ImageFormat
) -> tuple[Array, dict[int, str]]:
    """Return the pixels, (n, H, W, C) uint8, and the faults by position in the chunk."""
    if isinstance(examples, np.ndarray) and needs_no_conversion(examples, shape):
        return np.ascontiguousarray(examples).reshape(-1, *shape), {}
    decode = decoder(root, target)
    pixels, faults = np.zeros((len(examples), *shape), np.uint8), {}
    for row, example in enumerate(examples):
        try:
            pixels[row] = decode(example)
        except Fault as fault:
            faults[row] = str(fault)
    return pixels, faults


def decoder(root: str | None, target: ImageFormat) -> Callable[..., Array]:
    """Return what decodes one example, a path under the root, or pixels where root is None; and may fill a `Raw`."""
    if root is None:
        return partial(decode_array, target=target)
    return partial(decode_file, root, target=target)


def needs_no_conversion(examples: Array, shape: tuple[int, int, int]) -> bool:
    """Whether images in an array already have the type and shape to store."""
    return examples.dtype == np.uint8 and (*examples.shape[1:], 1)[:3] == shape


def write_at(path: str, pixels: Array, offset: int) -> None:
    """Write all bytes of pixels at an offset; one system call may write fewer."""
    remaining = pixels.data.cast("B")
    file = os.open(path, os.O_WRONLY)
    try:
        while remaining:
            written = os.pwrite(file, remaining, offset)
            remaining, offset = remaining[written:], offset + written
    finally:
        os.close(file)


def digest(pixels: Array) -> bytes:
    """Return the BLAKE2b digest of the pixels, 16 bytes."""
    return hashlib.blake2b(pixels.data, digest_size=DIGEST_BYTES).digest()


def perceptual_hash(pixels: Array) -> int:
    """Return pHash: 64 signs of the lowest frequencies of (H, W, C) uint8 pixels, which small edits barely change."""
    import imagehash

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return int.from_bytes(np.packbits(imagehash.phash(image).hash).tobytes(), "big")
