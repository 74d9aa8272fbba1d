"""Peak anonymous memory of training on a store of 6 GiB − on one of 60 MiB.

The store is mapped, not read: pages of its files belong to the system, which takes them back as it likes, and count
for nobody (`RssAnon` in /proc/self/status; Linux only). What grows with a store is what is kept for each example: its
label, its place, and the epoch's order.
"""

import json
import math
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, print_value
from benchmarks.training import compose, make_training, open_data, random_data, run_epoch, untracked
from benchmarks.workspace import PROJECT, child_environment

GOAL = 300.0  # MiB
SHAPE = (32, 32, 3)
VAL = 1000
BATCH = 8192
SMALL = 60 << 20
SPARE = 1 << 30
"""Bytes that stay free on the disk."""
SECONDS = 0.02


def measure(pairs: int, large: int, small: int = SMALL) -> None:
    """Train an epoch on each store, by processes of their own; prints the figure.

    Args:
        pairs: how many trainings on each.
        large: bytes of images in the one store.
        small: in the other.

    Raises:
        SystemExit: the disk has too little room.
    """
    with TemporaryDirectory(prefix="sprout-memory-") as scratch:
        folder = Path(scratch)
        refuse_small_disk(folder, large + small)
        for name, size in (("ours", large), ("reference", small)):
            random_data(folder / name, size // math.prod(SHAPE), VAL, SHAPE)
        ours, reference = zip(*[(peak(folder / "ours"), peak(folder / "reference")) for _ in range(pairs)], strict=True)
    apart = [one - other for one, other in zip(ours, reference, strict=True)]
    print_value("memory", GOAL, apart, unit="MiB", ours=ours, reference=reference)


def refuse_small_disk(folder: Path, size: int) -> None:
    """End with one line if so many bytes do not fit."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        needed, there = ((count / 2**30) for count in (size + SPARE, free))
        raise SystemExit(
            f"{folder.parent}: {there:.1f} GiB are free, {needed:.1f} are needed: set TMPDIR, or --gib lower"
        )


def peak(folder: Path) -> float:
    """MiB that a training on this data takes at its peak."""
    command = [sys.executable, "-m", "benchmarks.memory", "--in", str(folder)]
    done = run(command, cwd=PROJECT, env=child_environment(folder / "dvc"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    found = float(json.loads(done.stdout.splitlines()[-1]))
    print(f"{folder.name}: {found:.0f} MiB", file=sys.stderr)
    return found


def train(folder: Path) -> None:
    """Train for an epoch in this process, and print the peak."""
    with TemporaryDirectory(prefix="sprout-checkpoints-") as scratch, watched() as seen:
        data = open_data(folder)
        batch = min(BATCH, len(data[0]))
        build = compose("model=mlp", "model.hidden=[16]", f"train.batch_size={batch}", "train.accelerator=cpu")
        run_epoch(make_training(data, build, Path(scratch), untracked))
    print(json.dumps(max(seen)))


@contextmanager
def watched() -> Iterator[list[float]]:
    """This process's anonymous memory while the block runs, in MiB, 50 times a second."""
    seen, ended = [anonymous()], threading.Event()

    def watch() -> None:
        while not ended.wait(SECONDS):
            seen.append(anonymous())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def anonymous() -> float:
    """MiB of this process that no file holds."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    command_line = parser("memory", __doc__, pairs=1)
    command_line.add_argument("--gib", type=float, default=6.0, help="of images in the large store (default: 6)")
    command_line.add_argument("--in", dest="folder", type=Path, help="train once, on the data in this folder")
    arguments = command_line.parse_args()
    if arguments.folder:
        train(arguments.folder)
    else:
        measure(arguments.pairs, int(arguments.gib * 2**30))
