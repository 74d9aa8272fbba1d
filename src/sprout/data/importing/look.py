"""Looking at every example once: what is wrong, how large it is, whether it has colour, which are equal."""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from sprout.data.importing.look_worker import Seen, look_at
from sprout.data.prepare.pool import are_few
from sprout.data.prepare.processes import in_processes
from sprout.data.prepare.worker import DIGEST_BYTES
from sprout.data.sources.listing import Array, Files, Listing
from sprout.runtime.progress import track

CHUNK = 64


@dataclass(frozen=True)
class Look:
    """What is known of N examples; whatever is of a fault is zero."""

    faults: dict[int, str]
    """Row → reason."""
    shapes: Array
    """(N, 3) int32: height, width, channels; (N, 0) where they are rows of a table."""
    grey: Array
    """(N,) bool: images that show no colour."""
    digests: Array | None
    """(N, 16) uint8: equal where pictures are; None where they are rows of a table."""

    @property
    def sound(self) -> Array:
        """(n,) the rows without a fault."""
        sound = np.ones(len(self.shapes), bool)
        sound[list(self.faults)] = False
        return np.flatnonzero(sound)


def look(listing: Listing, max_pixels: int) -> Look:
    """Look at every example, in parallel where they are files; progress is shown.

    Args:
        listing: what the source has.
        max_pixels: an image file with more is a fault.
    """
    count, examples = len(listing), listing.examples
    if isinstance(examples, np.ndarray) and examples.ndim == 2:
        return Look(listing.faults, np.zeros((count, 0), np.int32), np.zeros(count, bool), None)
    found = Look({}, np.zeros((count, 3), np.int32), np.zeros(count, bool), np.zeros((count, DIGEST_BYTES), np.uint8))
    with closing(chunks_seen(examples, max_pixels)) as chunks:
        for _ in track(noted(chunks, found), "look", count):
            pass
    # The listing's reason is the better one: a file that it does not name cannot be opened.
    found.faults.update(listing.faults)
    return found


def chunks_seen(examples: Files | Array, max_pixels: int) -> Generator[Seen]:
    """Look at chunk after chunk, in the order of the rows."""
    root = str(examples.root) if isinstance(examples, Files) else None
    images = examples.paths if isinstance(examples, Files) else examples
    tasks = (
        partial(look_at, start, root, images[start : start + CHUNK], max_pixels)
        for start in range(0, len(images), CHUNK)
    )
    # An array would have to travel to the processes, which takes as long as looking at it.
    if root is None or are_few(examples):
        return (task() for task in tasks)
    return in_processes(tasks, len(os.sched_getaffinity(0)))


def noted(chunks: Iterator[Seen], found: Look) -> Iterator[int]:
    """Note what is known of each chunk; yield its rows, one by one."""
    for seen in chunks:
        rows = slice(seen.start, seen.start + len(seen.shapes))
        found.shapes[rows], found.grey[rows] = seen.shapes, seen.grey
        if found.digests is not None:
            found.digests[rows] = seen.digests
        found.faults.update(seen.faults)
        yield from range(rows.start, rows.stop)
