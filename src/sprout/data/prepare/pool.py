"""All examples decoded into one scratch file, by one process per usable core, in bounded memory."""

import os
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sprout.data.prepare.decode import unhindered
from sprout.data.prepare.pixels import Fault
from sprout.data.prepare.processes import in_processes
from sprout.data.prepare.worker import DIGEST_BYTES, Done, Wanted, decode_chunk, decoder, is_plain
from sprout.data.sources.listing import Array, Files
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

FEW = 500
FEW_BYTES = 16 << 20
"""So many examples, of so many bytes, are decoded in this process: others take half a second to start."""
CHUNK = 256
CHUNK_BYTES = 2 << 20
"""A chunk has at most so many examples, and so many bytes as they are and as they become (but at least one example)."""
HASHED_FROM = 64
"""Smaller images have no perceptual hash unless it is asked for: at 28 pixels, it flags 13% of Fashion-MNIST."""


@dataclass(frozen=True)
class Decoded:
    """What is known of N examples once they lie in the scratch file: raw uint8, (N, H, W, C)."""

    shape: tuple[int, int, int]
    """(H, W, C); (0, 0, 0) where not one example could be read."""
    digests: Array
    """(N, 16) uint8: BLAKE2b of each example's pixels, which are equal where these are; zero for a fault."""
    faults: dict[int, str]
    """Row → reason, in the order of the rows; the pixels of such a row are zero."""
    hashes: Array | None
    """(N,) uint64 perceptual hashes, zero for a fault; None where they were not asked for."""


def decode_all(
    examples: Files | Array,
    target: Path,
    *,
    known: Collection[int],
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str,
    max_pixels: int,
    near_duplicates: bool | None,
) -> Decoded:
    """Decode all examples into one file, whatever is wrong with some of them.

    Args:
        examples: image files, or an array of images.
        target: the scratch file; it is written anew.
        known: rows with a fault of another kind, which decide about nothing.
        size: height and width; None takes those of the first example that can be read.
        channels: 1 or 3; None takes those of the first example that can be read.
        resize: see `resize.resized`.
        max_pixels: a file with more is a fault.
        near_duplicates: whether perceptual hashes are wanted; None: of images of at least 64 pixels a side.

    Raises:
        UserError: perceptual hashes are wanted of images that are neither grey nor colour.
        RuntimeError: a process was killed, which usually means that memory ran out.
    """
    shape, faults = first_shape(examples, known, size, channels, resize, max_pixels)
    if shape is None:
        target.write_bytes(b"")
        return Decoded((0, 0, 0), np.zeros((len(examples), DIGEST_BYTES), np.uint8), faults, None)
    hashes = are_hashed(shape) if near_duplicates is None else near_duplicates
    if hashes and shape[2] not in (1, 3):
        raise UserError(
            f"prepare.near_duplicates=true: takes images of 1 or 3 channels, not {shape[2]}; set it to false"
        )
    wanted = Wanted(shape, resize, max_pixels, hashes)
    with target.open("wb") as file:
        file.truncate(len(examples) * int(np.prod(shape)))
    found = Decoded(
        shape,
        np.zeros((len(examples), DIGEST_BYTES), np.uint8),
        {},
        np.zeros(len(examples), np.uint64) if hashes else None,
    )
    with closing(chunks_done(examples, target, wanted)) as chunks:
        for _ in track(collected(chunks, found), "prepare: decode", len(examples)):
            pass
    return found


def are_hashed(shape: tuple[int, int, int]) -> bool:
    """Whether images have a perceptual hash if nothing is said."""
    return min(shape[:2]) >= HASHED_FROM and shape[2] in (1, 3)


@unhindered()
def first_shape(
    examples: Files | Array,
    known: Collection[int],
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str,
    max_pixels: int,
) -> tuple[tuple[int, int, int] | None, dict[int, str]]:
    """(H, W, C) of the first example that can be read, None if there is none; and the faults before it."""
    root, pixels = parts(examples)
    decode = decoder(root, size, channels, resize, max_pixels)
    faults: dict[int, str] = {}
    for row, example in enumerate(pixels):
        if row in known:
            continue
        try:
            height, width, found = decode(example).shape
        except Fault as fault:
            faults[row] = str(fault)
        else:
            return (height, width, found), faults
    return None, faults


def collected(chunks: Iterator[Done], found: Decoded) -> Iterator[int]:
    """Note what is known of each chunk; yield its rows, one by one."""
    for done in chunks:
        rows = slice(done.start, done.start + len(done.digests))
        found.digests[rows] = done.digests
        found.faults.update(done.faults)
        if found.hashes is not None:
            found.hashes[rows] = done.hashes
        yield from range(rows.start, rows.stop)


def chunks_done(examples: Files | Array, target: Path, wanted: Wanted) -> Generator[Done]:
    """Decode chunk by chunk, in the order of the rows: here if that is soon done, else in other processes."""
    root, pixels = parts(examples)
    step = chunk_length(examples, wanted.shape)
    tasks = (
        partial(decode_chunk, str(target), start, root, pixels[start : start + step], wanted)
        for start in range(0, len(examples), step)
    )
    copied = not isinstance(examples, Files) and is_plain(examples, wanted.shape) and not wanted.hashes
    if copied or are_few(examples):
        return (task() for task in tasks)
    return in_processes(tasks, len(os.sched_getaffinity(0)))


def parts(examples: Files | Array) -> tuple[str | None, list[str] | Array]:
    """The root and the paths under it; or no root and the array, without what makes a mapped one slow."""
    if isinstance(examples, Files):
        return os.path.abspath(examples.root), examples.paths
    return None, np.asarray(examples)


def are_few(examples: Files | Array) -> bool:
    """Whether they are decoded here in less time than it takes to start other processes."""
    if len(examples) > FEW:
        return False
    if not isinstance(examples, Files):
        return examples.nbytes <= FEW_BYTES
    paths = (examples.root / path for path in examples.paths)
    return sum(path.stat().st_size for path in paths if path.is_file()) <= FEW_BYTES


def chunk_length(examples: Files | Array, shape: tuple[int, int, int]) -> int:
    """How many examples make a chunk."""
    each = max(1, int(np.prod(shape)), 0 if isinstance(examples, Files) else examples[:1].nbytes)
    return min(CHUNK, max(1, CHUNK_BYTES // each))
