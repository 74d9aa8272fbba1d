"""The first full pass over a prepared store ÷ reading the same bytes from its file.

The file is dropped from the page cache before each pass, so that both read from disk.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.paired import Cost, alternate, parser, positive, print_ratio, timed
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import StoreWriter

GOAL = 1.2
SHAPE = (32, 32, 3)
BATCH = 1000


def measure(pairs: int, images: int) -> None:
    """Write a store of random images, compare, and print the result."""
    with TemporaryDirectory(prefix="sprout-open-store-") as scratch:
        folder = Path(scratch, "store")
        write(folder, images)
        (path,) = folder.glob("examples-*.npy")  # the reference reads a single file
        costs = alternate(lambda: cold(path, lambda: ours(folder)), lambda: cold(path, lambda: reference(path)), pairs)
    print_ratio("open_store", GOAL, *costs)


def write(folder: Path, images: int, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
    """Write a store of random images of ten classes."""
    generator = np.random.default_rng(seed)
    rows = np.arange(images)
    with StoreWriter(folder, images, shape, "uint8") as writer:
        for start in range(0, images, BATCH):
            writer.append(generator.integers(0, 256, (min(BATCH, images - start), *shape), dtype=np.uint8))
        writer.close(label_table(rows, rows % 10, source="given", group=rows, origin=[f"image {row}" for row in rows]))


def cold(path: Path, run: Callable[[], None]) -> Cost:
    """Time one pass after dropping the file from the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return timed(run)


def ours(folder: Path) -> None:
    """Open the store with its label table, and read all examples in batches."""
    store = open_store(folder)
    for start in range(0, len(store), BATCH):
        store.take(np.arange(start, min(start + BATCH, len(store))))


def reference(path: Path) -> None:
    """Read the file from start to end."""
    buffer = bytearray(BATCH * int(np.prod(SHAPE)))
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


if __name__ == "__main__":
    command_line = parser("open_store", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=300_000, help="in the store (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
