"""Decode all examples into parts, in bounded memory: few in this process, many where the engine says."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from sprout.data.listing import Array, Files, Members
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.parts import DIGEST_BYTES, Parts, even_starts
from sprout.data.prepare.reuse import decoding_key
from sprout.data.prepare.worker import DecodedChunk, batch_length, decode_chunk, decoder, needs_no_conversion
from sprout.runtime.engine import Engine
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

FEW = 500
FEW_BYTES = 16 << 20
"""Up to this many examples and bytes are decoded in this process: starting others takes half a second."""
PART_IMAGES = 32_768
PART_FILE_BYTES = 64 << 20
"""A chunk has at most so many images, and bytes of files: 1 to 5 s of work, as a core decodes 10,000 to 30,000 small
images, or 15 to 50 MB of larger files, in a second."""
PART_BYTES = 256 << 20
"""A part has at most so many bytes of pixels."""
LEAST_PARTS = 64
"""Of fewer parts than these, none has more images than are decoded at once, so that each core has something to do."""
SAMPLE = 64
"""Files whose sizes stand for all of them: asking for those of a million takes minutes where files are far away."""
HASHED_FROM = 64
"""Pixels a side. Smaller images have no perceptual hash unless requested: at 28, it flags 13% of Fashion-MNIST."""


@dataclass(frozen=True)
class Decoded:
    """What is known of N examples, and where their pixels are."""

    parts: Parts
    """Of the shape (0, 0, 0) where no example could be read."""
    digests: Array
    """(N, 16) uint8: BLAKE2b of each example's pixels; zero for a fault."""
    faults: dict[int, str]
    """Row → reason, in the order of the rows; the pixels of such a row are zero."""
    hashes: Array | None
    """(N,) uint64 perceptual hashes, zero for a fault; None where they were not requested."""


def decode_all(
    examples: Files | Array,
    folder: Path,
    target: ImageFormat,
    engine: Engine,
    *,
    known_faults: Collection[int] = (),
    near_duplicates: bool | None = None,
) -> Decoded:
    """Decode all examples into parts; faulty ones do not end it. Parts of an earlier run that was ended are used again.

    Args:
        examples: image files, or an array of images.
        folder: for the parts, in a folder of their own; empty, or as an earlier run has left it.
        target: the format; a size or channels of None are those of the first example that can be read.
        engine: where many examples are decoded.
        known_faults: rows that are faulty for another reason; they do not decide the size or channels.
        near_duplicates: whether to compute perceptual hashes; None: for images of at least 64 pixels a side.

    Raises:
        UserError: perceptual hashes are requested for images of neither 1 nor 3 channels, or a machine of a cluster
            does not have the folders.
        RuntimeError: a process was killed, usually because memory ran out.
    """
    shape, faults = first_shape(examples, target, known_faults)
    count, folder = len(examples), Path(os.path.abspath(folder))
    digests = np.zeros((count, DIGEST_BYTES), np.uint8)
    if shape is None:
        return Decoded(Parts(folder, even_starts(0, 1), (0, 0, 0)), digests, faults, None)
    hashes = are_hashed(shape, near_duplicates)
    here = decoded_here(examples, shape, hashes=hashes)
    target = replace(target, size=shape[:2], channels=shape[2])
    starts = starts_of(examples, part_length(examples, shape, here=here))
    parts = Parts(folder / decoding_key(root_of(examples), target, starts, hashes=hashes), starts, shape)
    make_folder(parts.folder)
    decoded = Decoded(parts, digests, {}, np.zeros(count, np.uint64) if hashes else None)
    tasks = decoding_tasks(examples, parts, target, hashes)
    chunks = (task() for task in tasks) if here else engine.run_in_order(tasks)
    with closing(chunks):
        for _ in track(collect(chunks, decoded), "prepare: decode", count):
            pass
    return decoded


def make_folder(folder: Path) -> None:
    """Make a folder for parts, without what processes that were killed have left half-written in it."""
    folder.mkdir(exist_ok=True)
    for left in folder.glob("*.tmp-*"):
        left.unlink()


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
    root = root_of(examples)
    decode = decoder(root, target)
    faults: dict[int, str] = {}
    for row in range(len(examples)):
        if row in known_faults:
            continue
        try:
            height, width, channels = decode(items(examples, slice(row, row + 1))[0]).shape
        except Fault as fault:
            faults[row] = str(fault)
        else:
            return (height, width, channels), faults
    return None, faults


def collect(chunks: Iterator[DecodedChunk], decoded: Decoded) -> Iterator[int]:
    """Store what is known of each chunk in `decoded`; yield its rows one by one, for the progress bar.

    Raises:
        UserError: this machine does not have the chunk's part.
    """
    reused = 0
    for chunk in chunks:
        decoded.parts.check(chunk.number, chunk.size)
        reused += len(chunk.digests) * chunk.reused
        start = decoded.parts.start_of(chunk.number)
        rows = slice(start, start + len(chunk.digests))
        decoded.digests[rows] = chunk.digests
        decoded.faults.update(chunk.faults)
        if decoded.hashes is not None:
            decoded.hashes[rows] = chunk.hashes
        yield from range(rows.start, rows.stop)
    if reused:
        print(f"prepare: {reused:,} images were decoded already, by a run that was ended", file=sys.stderr)


def decoding_tasks(
    examples: Files | Array, parts: Parts, target: ImageFormat, hashes: bool
) -> Iterator[partial[DecodedChunk]]:
    """Yield a task for each part, in the order of the rows."""
    root, version = root_of(examples), examples.version if isinstance(examples, Files) else ""
    for number, (start, stop) in enumerate(pairwise(parts.starts.tolist())):
        some = items(examples, slice(start, stop))
        yield partial(decode_chunk, parts.between(number, number), number, root, some, target, hashes, version)


def decoded_here(examples: Files | Array, shape: tuple[int, int, int], *, hashes: bool) -> bool:
    """Whether this process decodes all examples: few ones, and an array that is only copied."""
    if not isinstance(examples, Files) and needs_no_conversion(examples, shape) and not hashes:
        return True
    return are_few(examples)


def root_of(examples: Files | Array) -> str | None:
    """Return where files are read; None for an array."""
    return examples.place if isinstance(examples, Files) else None


def items(examples: Files | Array, rows: slice) -> list[str] | Array:
    """Return the names of some files; or a part of an array, as a plain one."""
    return examples.some(rows) if isinstance(examples, Files) else np.asarray(examples[rows])


def are_few(examples: Files | Array) -> bool:
    """Whether decoding in this process takes less time than starting others."""
    if len(examples) > FEW:
        return False
    if not isinstance(examples, Files):
        return examples.nbytes <= FEW_BYTES
    return sum(examples.sizes(slice(None))) <= FEW_BYTES


def part_length(examples: Files | Array, shape: tuple[int, int, int], *, here: bool) -> int:
    """Return the number of examples in a part.

    Those of an array that go to other processes are no more than are decoded at once: each task takes them along.
    """
    least, size = batch_length(items(examples, slice(1)), shape), max(1, int(np.prod(shape)))
    if not isinstance(examples, Files):
        return max(least, PART_BYTES // size) if here else least
    most = min(PART_IMAGES, PART_FILE_BYTES // mean_bytes(examples), PART_BYTES // size)
    return max(1, min(most, max(least, len(examples) // LEAST_PARTS)))


def starts_of(examples: Files | Array, step: int) -> Array:
    """Return where parts begin, and the end: at every `step` rows; of images that are read together, between these.

    A part then has up to `step` images, or one group of more.
    """
    borders = examples.borders if isinstance(examples, Members) else None
    if borders is None:
        return even_starts(len(examples), step)
    starts = [0]
    while starts[-1] < len(examples):
        within = borders[: np.searchsorted(borders, starts[-1] + step, side="right")]
        after = borders[np.searchsorted(borders, starts[-1], side="right")]
        starts.append(max(int(within[-1]), int(after)))
    return np.array(starts)


def mean_bytes(files: Files) -> int:
    """Return the mean size of files, from some of them that lie evenly spaced: at least 1."""
    sizes = [size for size in files.sizes(slice(None, None, max(1, len(files) // SAMPLE))) if size]
    return max(1, sum(sizes) // max(1, len(sizes)))
