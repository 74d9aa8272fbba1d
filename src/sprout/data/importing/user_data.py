"""A user's data: its format, the list of examples, and what a scan of all of them shows."""

import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sprout.config import validate, workspace
from sprout.config.prepare import Prepare
from sprout.data.formats import read_format
from sprout.data.importing.detect_format import Detected, detect_format
from sprout.data.importing.scan_worker import ScannedChunk, scan_chunk
from sprout.data.importing.table_sample import UNSAID, Columns
from sprout.data.importing.window import BINS
from sprout.data.listing import Array, Files, Listing
from sprout.data.prepare.decode_all import are_few, items, root_of, starts_of
from sprout.data.prepare.parts import DIGEST_BYTES
from sprout.data.prepare.pixels import Levels
from sprout.data.prepare.small_classes import without_small_classes
from sprout.runtime.errors import UserError
from sprout.runtime.process_pool import in_processes
from sprout.runtime.progress import track

CHUNK = 64


@dataclass(frozen=True)
class Scan:
    """What is known of N examples; all arrays are zero for a fault."""

    faults: dict[int, str]
    """Row → reason."""
    shapes: Array
    """(N, 3) int32: height, width, channels; (N, 0) for rows of a table."""
    grey: Array
    """(N,) bool: images that show no colour."""
    digests: Array | None
    """(N, 16) uint8: equal where images are; None for rows of a table."""
    ranges: Array = field(default_factory=lambda: np.zeros((0, 2)))
    """(N, 2) float64: the least and the largest level of images of more than 8 bits; NaN where there are 8."""
    pages: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,) int64: pages of a TIFF, or frames of an animation."""
    levels: Levels | None = None
    """What the images of more than 8 bits should be scaled from; None means the whole range."""
    used: Array = field(default_factory=lambda: np.zeros(256, bool))
    """(256,) bool: the grey levels that these images then have."""
    counts: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))
    """(BINS,) int64: pixels by level of those that are learned from, see `window.count_levels`."""
    left_out: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) rows whose classes are too small."""

    @property
    def usable(self) -> Array:
        """(n,) the rows without a fault that are not left out."""
        usable = np.ones(len(self.shapes), bool)
        usable[list(self.faults)] = False
        usable[self.left_out] = False
        return np.flatnonzero(usable)


@dataclass(frozen=True)
class UserData:
    """Data that can be read."""

    detected: Detected
    listing: Listing
    scan: Scan
    min_class_size: int | None = None
    """As the user says; see the section `prepare`."""


@contextmanager
def open_user_data(
    conf: Path, path: Path, columns: Columns = UNSAID, min_class_size: int | None = None
) -> Iterator[UserData]:
    """Detect the format of data, list its examples and scan them; an unpacked archive is removed afterwards.

    Args:
        conf: the folder of config groups, whose section `prepare` limits the size of an image.
        path: the data.
        columns: what the user says of the columns of a table.
        min_class_size: examples that a class needs; None keeps all.

    Raises:
        UserError: there is no data, or it is in no known format.
    """
    default = validate.section("prepare", workspace.read_yaml(conf / "prepare" / "default.yaml"), Prepare)
    with TemporaryDirectory(prefix="sprout-") as folder:
        scratch = Path(folder)
        (arrays := scratch / "arrays").mkdir()
        detected = detect_format(path, scratch, columns)
        listing = read_format(detected.root, arrays, detected.format)
        data = UserData(detected, listing, scan_examples(listing, default.max_pixels), min_class_size)
        yield leave_out_small_classes(data)


def leave_out_small_classes(data: UserData) -> UserData:
    """The data without classes that are smaller than the user wants."""
    usable = data.scan.usable
    listing, kept, notes = without_small_classes(data.listing, usable, data.min_class_size)
    scan = replace(data.scan, left_out=np.setdiff1d(usable, kept, assume_unique=True))
    return replace(data, listing=replace(listing, notes=[*listing.notes, *notes]), scan=scan)


def refuse_unusable(data: UserData) -> None:
    """Refuse data without a single usable example.

    Raises:
        UserError: there is none.
    """
    if len(data.scan.usable):
        return
    path, listing, faults = data.detected.path, data.listing, data.scan.faults
    if not len(listing):
        raise UserError(f"{path}: no examples here")
    row = min(faults)
    raise UserError(
        f"{path}: none of {len(listing):,} examples can be used; the first is {listing.origin[row]}: {faults[row]}"
    )


def scan_examples(listing: Listing, max_pixels: int) -> Scan:
    """Decode every example once, in parallel where they are files, and show the progress.

    Args:
        listing: the examples.
        max_pixels: an image file with more is a fault.
    """
    count, examples = len(listing), listing.examples
    if isinstance(examples, np.ndarray) and examples.ndim == 2:
        return Scan(listing.faults, np.zeros((count, 0), np.int32), np.zeros(count, bool), None)
    learned = learned_from(listing)
    scan = scan_images(examples, max_pixels, None, learned)
    if levels := suggest_levels(listing, scan.ranges):
        # Only now is it known how the images of more than 8 bits become the pixels that are compared and counted.
        scan = scan_images(examples, max_pixels, levels, learned)
    # The listing's reasons are more precise: a file without a path cannot be opened.
    scan.faults.update(listing.faults)
    return scan


def learned_from(listing: Listing) -> Array:
    """Return which examples are in no split that is held out: (N,) bool."""
    if listing.split is None:
        return np.ones(len(listing), bool)
    return ~np.isin(np.array(listing.split.to_pylist(), object), ["val", "test"])


def scan_images(examples: Files | Array, max_pixels: int, levels: Levels | None, learned: Array) -> Scan:
    """Decode images once; `levels` as for `scan_chunk`, `learned` are the images whose pixels are counted."""
    count = len(examples)
    scan = Scan(
        {},
        np.zeros((count, 3), np.int32),
        np.zeros(count, bool),
        np.zeros((count, DIGEST_BYTES), np.uint8),
        np.full((count, 2), np.nan),
        np.ones(count, np.int64),
        levels,
    )
    with closing(scan_chunks(examples, max_pixels, levels, learned)) as chunks:
        for _ in track(collect(chunks, scan), "scan", count):
            pass
    return scan


def suggest_levels(listing: Listing, ranges: Array) -> Levels | None:
    """Return the range of the images of more than 8 bits that are learned from; None where the whole range is as good.

    Args:
        listing: the examples.
        ranges: (N, 2) the range of each image, NaN where it has 8 bits.
    """
    known = ranges[learned_from(listing) & ~np.isnan(ranges[:, 0])]
    if not len(known):
        return None
    low, high = float(known[:, 0].min()), float(known[:, 1].max())
    floats = isinstance(listing.examples, np.ndarray) and listing.examples.dtype.kind == "f"
    if low >= 0 and high <= 1 and (floats or (known % 1 != 0).any()):
        return None  # floats in 0..1
    if low >= 0 and 1 < high <= 255:
        return 0.0, 255.0  # 8 bits in a larger type
    return (low, high) if low < high and (low, high) != (0.0, 65535.0) else None


def scan_chunks(
    examples: Files | Array, max_pixels: int, levels: Levels | None, learned: Array
) -> Generator[ScannedChunk]:
    """Scan chunk by chunk, in the order of the rows."""
    root = root_of(examples)
    tasks = (
        partial(scan_chunk, start, root, items(examples, rows), max_pixels, levels, learned[rows])
        for start, stop in pairwise(starts_of(examples, CHUNK).tolist())
        for rows in [slice(start, stop)]
    )
    # Sending an array to other processes takes as long as scanning it.
    if root is None or are_few(examples):
        return (task() for task in tasks)
    return in_processes(tasks, len(os.sched_getaffinity(0)))


def collect(chunks: Iterator[ScannedChunk], scan: Scan) -> Iterator[int]:
    """Store each chunk in `scan`; yield its rows one by one, for the progress bar."""
    for chunk in chunks:
        rows = slice(chunk.start, chunk.start + len(chunk.shapes))
        scan.shapes[rows], scan.grey[rows] = chunk.shapes, chunk.grey
        if scan.digests is not None:
            scan.digests[rows] = chunk.digests
        scan.ranges[rows] = [raw.levels or (np.nan, np.nan) for raw in chunk.raw]
        scan.pages[rows] = [raw.pages for raw in chunk.raw]
        scan.used[chunk.used] = True
        for place, number in chunk.counts.items():
            scan.counts[place] += number
        scan.faults.update(chunk.faults)
        yield from range(rows.start, rows.stop)
