"""Peak anonymous memory of the stage `prepare` for ten million images, without their pixels.

    python -m benchmarks.prepare_rows                                # class folders, and a table
    python -m benchmarks.prepare_rows --rows 1000000 --kind paths

Listing, decoding, splits, duplicates, label budget and label tables are those of the stage. What is made up: the
entries of folders and the state of files (no file but one is there), and what tasks return (digests, one of a hundred
equal to the one before, a fault in each thousand). Half of the images have a label; the pool lies in one folder.
Memory of mapped files is not counted (`RssAnon` in /proc/self/status; Linux only), nor that of other processes.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.paired import parser, positive, print_value
from benchmarks.peak import record_memory
from benchmarks.workspace import PROJECT, child_environment
from sprout.config import validate
from sprout.config.formats import Folders, Format, Paths
from sprout.config.prepare import Prepare
from sprout.config.workspace import read_yaml
from sprout.data.formats import read_format
from sprout.data.formats.finder import Finder
from sprout.data.prepare import stores
from sprout.data.prepare.parts import DIGEST_BYTES
from sprout.data.prepare.prepare import prepare
from sprout.data.prepare.statistics import PixelStatistics
from sprout.data.prepare.worker import DecodedChunk, WrittenShard, decode_chunk
from sprout.data.shards import Destination, Shard
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.files import atomic_folder

GOAL = 8.0  # GiB
ROWS = 10_000_000
KINDS = ("folders", "paths")
FILE = stat.S_IFREG | 0o644
SHAPE = (1, 1, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """What `os.scandir` yields, of a file or folder that is not there."""

    name: str
    path: str
    folder: bool

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry`."""
        return self.folder

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry`."""
        return not self.folder

    def is_symlink(self) -> bool:
        """See `os.DirEntry`."""
        return False


@dataclass(frozen=True)
class Images:
    """The names of N images: those with a label in folders of up to 1,000 classes, the others in `unlabelled`."""

    count: int

    @property
    def labelled(self) -> int:
        """How many have a label."""
        return self.count // 2

    @property
    def classes(self) -> int:
        """Of how many classes."""
        return max(2, min(1000, self.count // 5000))

    def folder(self, row: int) -> str:
        """The folder of an image."""
        return f"n{row % self.classes:08}" if row < self.labelled else "unlabelled"

    def path(self, row: int) -> str:
        """The path of an image, 27 or 29 characters."""
        return f"{self.folder(row)}/n{row % self.classes:08}_{row}.jpg"

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterator[Entry]]:
        """Take the place of `os.scandir`."""
        name = os.path.basename(folder)
        if name == "unlabelled":
            rows: Sequence[int] = range(self.labelled, self.count)
        elif name.startswith("n0"):
            rows = range(int(name[1:]), self.labelled, self.classes)
        else:
            names = [*(self.folder(row) for row in range(min(self.classes, self.labelled))), "unlabelled"]
            yield (Entry(each, f"{folder}/{each}", True) for each in names)
            return
        files = (os.path.basename(self.path(row)) for row in rows)
        yield (Entry(each, f"{folder}/{each}", False) for each in files)

    def write_table(self, path: Path) -> None:
        """Write a table of all images, of which ten of a class are a group."""
        with path.open("w", encoding="utf-8") as file:
            file.write("path,label,group\n")
            for row in range(self.count):
                label, group = f"class {row % self.classes}" if row < self.labelled else "", row // 10 // self.classes
                file.write(f"{self.path(row)},{label},patient {group} {row % self.classes}\n")


@dataclass(frozen=True)
class NoPixels(LocalProcesses):
    """An engine that runs no task, and yields what one could have returned."""

    def run_in_order(self, tasks: Iterator[partial[Any]]) -> Generator[Any]:
        """See `Engine`."""
        for task in tasks:
            yield decoded(*task.args) if task.func is decode_chunk else written(*task.args)


def decoded(parts: Any, number: int, *_: object) -> DecodedChunk:
    """Write a part without pixels."""
    count = parts.shape_of(number)[0]
    with parts.new(number) as file:
        file.truncate(parts.bytes_of(number))
    rows = parts.start_of(number) + np.arange(count)
    digests = np.zeros((count, DIGEST_BYTES // 8), np.uint64)
    digests[:, 0] = (rows - (rows % 100 == 1)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    faults = dict.fromkeys(rows[rows % 1000 == 999].tolist(), "zero bytes")
    return DecodedChunk(number, digests.view(np.uint8), None, faults, parts.bytes_of(number), reused=False)


def written(parts: Any, target: Destination, number: int, rows: Any, *_: object) -> WrittenShard:
    """Write a file of a store without pixels."""
    target.path(number).touch()
    statistics = PixelStatistics(parts.shape[-1])
    statistics.add(np.zeros((1, *parts.shape), np.uint8))
    return WrittenShard(Shard(len(rows), "0" * 64), statistics)


def measure(pairs: int, rows: int, kinds: Sequence[str]) -> None:
    """Prepare so many rows, each time in a process of its own, and print the result for each kind of source."""
    for kind in kinds:
        peaks = [peak(rows, kind) for _ in range(pairs)]
        print_value(f"prepare_rows_{kind}", GOAL, peaks, unit="GiB", rows=[float(rows)])


def peak(rows: int, kind: str) -> float:
    """Return the peak memory of the stage, in GiB."""
    command = [sys.executable, "-m", "benchmarks.prepare_rows", "--rows", str(rows), "--kind", kind, "--here"]
    with TemporaryDirectory(prefix="sprout-rows-") as scratch:
        environment = child_environment(Path(scratch)) | {"TMPDIR": scratch}
        done = run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{kind}: {rows:,} rows, {found['gib']:.2f} GiB, {found['seconds']:.0f} s", file=sys.stderr)
    return float(found["gib"])


def prepare_rows(rows: int, kind: str) -> None:
    """Prepare so many rows in this process, and print the peak."""
    images = Images(rows)
    with TemporaryDirectory(prefix="sprout-rows-") as folder:
        root, scratch = Path(os.path.realpath(folder), "data"), Path(folder, "scratch")
        scratch.mkdir()
        first = root / images.path(0)
        first.parent.mkdir(parents=True)
        Image.fromarray(np.zeros(SHAPE[:2], np.uint8)).save(first)
        if kind == "paths":
            images.write_table(root / "images.csv")
        start = time.monotonic()
        with record_memory() as samples:
            prepare_images(root, scratch, images, kind)
    print(json.dumps({"gib": max(samples) / 1024, "seconds": time.monotonic() - start}))


def prepare_images(root: Path, scratch: Path, images: Images, kind: str) -> None:
    """List the images, and write their stores."""
    table: dict[str, Format] = {
        "folders": Folders("folders"),
        "paths": validate.section(
            "format",
            {"kind": "paths", "file": "images.csv", "path": "path", "label": "label", "group": "group"}
            | dict.fromkeys(("missing", "split", "classes"))
            | {"folder_splits": False, "unlisted": "ignored"},
            Paths,
        ),
    }
    default = read_yaml(PROJECT / "conf/prepare/default.yaml")
    own = {"size": None, "test": 0.1, "val": 0.1, "labels": 0.5, "near_duplicates": False}
    with patch("sprout.data.formats.file_tree.os.scandir", images.scan) if kind == "folders" else spelled_as_written():
        listing = read_format(root, scratch, table[kind])
    settings = validate.section("prepare", default | own, Prepare)
    (scratch / "parts").mkdir()
    # Even of few bytes, no file is written here.
    with patch.object(stores, "FEW_BYTES", -1), atomic_folder(scratch / "prepared") as made:
        prepare(listing, made, scratch / "parts", settings, NoPixels())


def spelled_as_written() -> Any:
    """Let all files of a table be there."""
    return patch.object(Finder, "spelled", lambda _, path: (path, FILE))


if __name__ == "__main__":
    command_line = parser("prepare_rows", __doc__, pairs=1)
    command_line.add_argument("--rows", type=positive, default=ROWS, help="images (default: %(default)s)")
    command_line.add_argument("--kind", choices=KINDS, help="of source (default: all)")
    command_line.add_argument("--here", action="store_true", help="once, in this process")
    arguments = command_line.parse_args()
    if arguments.here:
        prepare_rows(arguments.rows, arguments.kind or KINDS[0])
    else:
        measure(arguments.pairs, arguments.rows, [arguments.kind] if arguments.kind else KINDS)
