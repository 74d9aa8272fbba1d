"""Decode all examples into one scratch file, with one process per usable core, in bounded memory."""

import os
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sprout.data.listing import Array, Files
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.worker import DIGEST_BYTES, DecodedChunk, decode_chunk, decoder, needs_no_conversion
from sprout.runtime.errors import UserError
from sprout.runtime.process_pool import in_processes
from sprout.runtime.progress import track

FEW = 500
FEW_BYTES = 16 << 20
"""Up to this many examples and bytes are decoded in this process: starting others takes half a second."""
CHUNK = 256
CHUNK_BYTES = 2 << 20
"""A chunk holds at most this many examples, and bytes before or after decoding (but at least one example)."""
HASHED_FROM = 64
"""Pixels a side. Smaller images have no perceptual hash unless requested: at 28, it flags 13% of Fashion-MNIST."""


@dataclass(frozen=True)
class Decoded:
    """What is known of N examples whose pixels are in the scratch file: raw uint8, (N, H, W, C)."""

    shape: tuple[int, int, int]
    """(H, W, C); (0, 0, 0) where no example could be read."""
    digests: Array
    """(N, 16) uint8: BLAKE2b of each example's pixels; zero for a fault."""
    faults: dict[int, str]
    """Row → reason, in the order of the rows; the pixels of such a row are zero."""
    hashes: Array | None
    """(N,) uint64 perceptual hashes, zero for a fault; None where they were not requested."""


def decode_all(
    examples: Files | Array,
    scratch: Path,
    target: ImageFormat,
    *,
    known_faults: Collection[int] = (),
    near_duplicates: bool | None = None,
) -> Decoded:
    """Decode all examples into one file; faulty ones do not end it.

    Args:
        examples: image files, or an array of images.
        scratch: the file; it is overwritten.
        target: the format; a size or channels of None are those of the first example that can be read.
        known_faults: rows that are faulty for another reason; they do not decide the size or channels.
        near_duplicates: whether to compute perceptual hashes; None: for images of at least 64 pixels a side.

    Raises:
        UserError: perceptual hashes are requested for images of neither 1 nor 3 channels.
        RuntimeError: a process was killed, usually because memory ran out.
    """
    shape, faults = first_shape(examples, target, known_faults)
    if shape is None:
        scratch.write_bytes(b"")
        return Decoded((0, 0, 0), np.zeros((len(examples), DIGEST_BYTES), np.uint8), faults, None)
    hashes = are_hashed(shape, near_duplicates)
    with scratch.open("wb") as file:
        file.truncate(len(examples) * int(np.prod(shape)))
    decoded = Decoded(
        shape,
        np.zeros((len(examples), DIGEST_BYTES), np.uint8),
        {},
        np.zeros(len(examples), np.uint64) if hashes else None,
    )
    exact = replace(target, size=shape[:2], channels=shape[2])
    with closing(decode_chunks(examples, scratch, shape, exact, hashes)) as chunks:
        for _ in track(collect(chunks, decoded), "prepare: decode", len(examples)):
            pass
    return decoded


def are_hashed(shape: tuple[int, int, int], near_duplicates: bool | None) -> bool:
    """Whether images of this shape get a perceptual hash."""
    if near_duplicates is None:
        return min(shape[:2]) >= HASHED_FROM and shape[2] in (1, 3)
    if near_duplicates and shape[2] not in (1, 3):
        raise UserError(
            f"prepare.near_duplicates=true: accepts images of 1 or 3 channels, not {shape[2]}; set it to false"
        )
    return near_duplicates


@without_pillow_limits()
def first_shape(
    examples: Files | Array, target: ImageFormat, known_faults: Collection[int]
) -> tuple[tuple[int, int, int] | None, dict[int, str]]:
    """Return (H, W, C) of the first example that can be read, or None; and the faults found before it."""
    root, items = root_and_items(examples)
    decode = decoder(root, target)
    faults: dict[int, str] = {}
    for row, example in enumerate(items):
        if row in known_faults:
            continue
        try:
            height, width, channels = decode(example).shape
        except Fault as fault:
            faults[row] = str(fault)
        else:
            return (height, width, channels), faults
    return None, faults


def collect(chunks: Iterator[DecodedChunk], decoded: Decoded) -> Iterator[int]:
    """Store what is known of each chunk in `decoded`; yield its rows one by one, for the progress bar."""
    for chunk in chunks:
        rows = slice(chunk.start, chunk.start + len(chunk.digests))
        decoded.digests[rows] = chunk.digests
        decoded.faults.update(chunk.faults)
        if decoded.hashes is not None:
            decoded.hashes[rows] = chunk.hashes
        yield from range(rows.start, rows.stop)


def decode_chunks(
    examples: Files | Array, scratch: Path, shape: tuple[int, int, int], target: ImageFormat, hashes: bool
) -> Generator[DecodedChunk]:
    """Decode chunk by chunk, in the order of the rows: in this process if there is little work, else in others."""
    root, items = root_and_items(examples)
    step = chunk_length(examples, shape)
    tasks = (
        partial(decode_chunk, str(scratch), start, root, items[start : start + step], shape, target, hashes)
        for start in range(0, len(examples), step)
    )
    only_copied = not isinstance(examples, Files) and needs_no_conversion(examples, shape) and not hashes
    if only_copied or are_few(examples):
        return (task() for task in tasks)
    return in_processes(tasks, len(os.sched_getaffinity(0)))


def root_and_items(examples: Files | Array) -> tuple[str | None, list[str] | Array]:
    """Return the root and the paths under it; or None and the array, as a plain one, which slices faster."""
    if isinstance(examples, Files):
        return os.path.abspath(examples.root), examples.paths
    return None, np.asarray(examples)


def are_few(examples: Files | Array) -> bool:
    """Whether decoding in this process takes less time than starting others."""
    if len(examples) > FEW:
        return False
    if not isinstance(examples, Files):
        return examples.nbytes <= FEW_BYTES
    paths = (examples.root / path for path in examples.paths)
    return sum(path.stat().st_size for path in paths if path.is_file()) <= FEW_BYTES


def chunk_length(examples: Files | Array, shape: tuple[int, int, int]) -> int:
    """Return the number of examples in a chunk."""
    largest = max(1, int(np.prod(shape)), 0 if isinstance(examples, Files) else examples[:1].nbytes)
    return min(CHUNK, max(1, CHUNK_BYTES // largest))
