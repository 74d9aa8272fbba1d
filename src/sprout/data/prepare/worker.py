"""What the processes do: decode a chunk of examples into a part, and write a file of a store from parts.

Imports only numpy, Pillow and simplejpeg, so that a process starts in a fraction of a second. Pixels of files never
travel between processes.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from PIL import Image

from sprout.data.contents import contents
from sprout.data.prepare.decode import ImageFormat, decode_array
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.parts import DIGEST_BYTES, Parts, batches, digest
from sprout.data.prepare.pixels import Array
from sprout.data.prepare.reuse import PartRecord, read_record, source_state
from sprout.data.prepare.statistics import PixelStatistics
from sprout.data.shards import Destination, Shard, ShardWriter
from sprout.data.stored_file import is_remote
from sprout.runtime.disk import naming
from sprout.runtime.errors import UserError

BATCH = 256
BATCH_BYTES = 2 << 20
"""So many examples, and bytes before or after decoding, are at most in memory at once (but at least one example)."""


@dataclass(frozen=True)
class DecodedChunk:
    """What is known of n examples whose pixels are in a part."""

    number: int
    """Of the part."""
    digests: Array
    """(n, 16) uint8, zero for a fault."""
    hashes: Array | None
    """(n,) uint64, zero for a fault; None where they were not requested."""
    faults: dict[int, str]
    """Row → reason; the pixels of such a row are zero."""
    size: int
    """Bytes of the part."""
    reused: bool
    """Whether the part was there already."""


@dataclass(frozen=True)
class WrittenShard:
    """What is known of a file of a store."""

    shard: Shard
    statistics: PixelStatistics | None
    """Of its images, where they were requested."""


def decode_chunk(
    parts: Parts,
    number: int,
    root: str | None,
    examples: list[str] | Array,
    target: ImageFormat,
    hashes: bool,
    version: str = "",
) -> DecodedChunk:
    """Decode examples and write them to a part, unless it is there already with images of the same files.

    Args:
        parts: this one, or it among others.
        number: of the part.
        root: where the files, or what holds them, lie; None for an array.
        examples: (n,) paths, names of what lies in archives or tables, or (n, H, W) or (n, H, W, C) pixels.
        target: the format with this size and these channels.
        hashes: whether to compute perceptual hashes.
        version: of the files, see `Files`.

    Raises:
        UserError: this machine does not have the folders.
    """
    check_reached(*(folder for folder in (root, str(parts.folder)) if folder and not is_remote(folder)))
    record = None
    if root is not None and not isinstance(examples, np.ndarray):
        record = reusable(parts, number, root, examples, target, version)
    reused = record is not None
    if record is None:
        record = decode_part(parts, number, root, examples, target, hashes, version)
    faults = {parts.start_of(number) + row: reason for row, reason in record.faults.items()}
    size = parts.path(number).stat().st_size
    return DecodedChunk(number, record.digests, record.hashes, faults, size, reused)


def decode_part(
    parts: Parts,
    number: int,
    root: str | None,
    examples: list[str] | Array,
    target: ImageFormat,
    hashes: bool,
    version: str,
) -> PartRecord:
    """Decode examples and write them to a part; arguments as for `decode_chunk`."""
    digests, codes, faults = bytearray(), list[int](), dict[int, str]()
    step, before = batch_length(examples, parts.shape), state_of_examples(root, examples, version)
    with parts.new(number) as file:
        for start, some in zip(range(0, len(examples), step), in_batches(root, examples, step), strict=True):
            pixels, found = decode_examples(root, some, parts.shape, target)
            file.write(pixels.data)
            for row, image in enumerate(pixels):
                digests += bytes(DIGEST_BYTES) if row in found else digest(image)
                if hashes:
                    codes.append(0 if row in found else perceptual_hash(image))
            faults |= {start + row: reason for row, reason in found.items()}
        unchanged = state_of_examples(root, examples, version) == before
        record = PartRecord(
            before if unchanged else "",
            np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
            np.array(codes, np.uint64) if hashes else None,
            faults,
        )
        record.append(file)
    return record


def in_batches(root: str | None, examples: list[str] | Array, step: int) -> Iterator[Sequence[str | bytes] | Array]:
    """Yield `step` examples at a time; those in archives and tables as their bytes, each read once."""
    if isinstance(examples, np.ndarray):
        yield from (examples[start : start + step] for start in range(0, len(examples), step))
    else:
        read = contents(root, examples)
        yield from (list(islice(read, step)) for _ in range(0, len(examples), step))


def state_of_examples(root: str | None, examples: list[str] | Array, version: str) -> str:
    """Return what changes with the content of files; "" for an array, which is decoded in each run."""
    return "" if root is None or isinstance(examples, np.ndarray) else source_state(root, examples, version)


def reusable(
    parts: Parts, number: int, root: str, paths: list[str], target: ImageFormat, version: str
) -> PartRecord | None:
    """Return the record of a part that is there, if its images are those of these files; else None.

    All pixels are compared with their digests, and faulty files are tried again: that one could not be read may have
    had a cause that is gone.
    """
    record = read_record(parts.path(number), parts.bytes_of(number))
    if record is None or record.source != source_state(root, paths, version):
        return None
    found = decode_examples(root, [paths[row] for row in record.faults], parts.shape, target)[1]
    if [found.get(place) for place in range(len(record.faults))] != [*record.faults.values()]:
        return None
    places = np.setdiff1d(np.arange(len(paths)), [*record.faults])
    try:
        for some in batches(places, int(np.prod(parts.shape))):
            parts.checked(parts.start_of(number) + places[some], record.digests[places[some]])
    except UserError:
        return None
    return record


def batch_length(examples: list[str] | Array, shape: tuple[int, int, int]) -> int:
    """Return the number of examples that are decoded at once."""
    largest = max(1, int(np.prod(shape)), examples[:1].nbytes if isinstance(examples, np.ndarray) else 0)
    return min(BATCH, max(1, BATCH_BYTES // largest))


def write_shard(
    parts: Parts, target: Destination, number: int, rows: Array, digests: Array, *, counted: bool
) -> WrittenShard:
    """Write a file of a store.

    Args:
        parts: where the images are.
        target: where the file goes; its folders are absolute.
        number: of the file, from 0.
        rows: (n,) the images of the file.
        digests: (n, 16) uint8 of these.
        counted: whether to compute statistics.

    Raises:
        UserError: this machine does not have the folders, a part is damaged, or S3 does not take the file.
    """
    path = target.path(number)
    check_reached(str(path.parent), str(parts.folder))
    statistics = PixelStatistics(parts.shape[-1]) if counted else None
    with naming(path), ShardWriter(path, len(rows), parts.shape, "uint8") as writer:
        for some in batches(rows, int(np.prod(parts.shape))):
            images = parts.checked(rows[some], digests[some])
            writer.append(images)
            if statistics is not None:
                statistics.add(images)
        shard = writer.end()
        target.take(path, shard)
        return WrittenShard(shard, statistics)


def check_reached(*folders: str) -> None:
    """Check that this machine has folders.

    Raises:
        UserError: one is not there.
    """
    for folder in folders:
        if not os.path.isdir(folder):
            raise UserError(
                f"{folder}: not a folder on the machine {socket.gethostname()}; all machines of a cluster need it, on "
                "a file system that they share (docs/clusters.md)"
            )


@without_pillow_limits()
def decode_examples(
    root: str | None, examples: Sequence[str | bytes] | Array, shape: tuple[int, int, int], target: ImageFormat
) -> tuple[Array, dict[int, str]]:
    """Return the pixels, (n, H, W, C) uint8, and the faults by position in the chunk."""
    if isinstance(examples, np.ndarray) and needs_no_conversion(examples, shape):
        return np.ascontiguousarray(examples).reshape(-1, *shape), {}
    decode = decoder(root, target)
    pixels, faults = np.zeros((len(examples), *shape), np.uint8), {}
    for row, example in enumerate(contents(root, examples)):
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


def perceptual_hash(pixels: Array) -> int:
    """Return pHash: 64 signs of the lowest frequencies of (H, W, C) uint8 pixels, which small edits barely change."""
    import imagehash

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return int.from_bytes(np.packbits(imagehash.phash(image).hash).tobytes(), "big")
