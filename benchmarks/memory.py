"""Peak anonymous memory of training on a store of 6 GiB − of training on one of 60 MiB.

The store is memory-mapped: the pages of its files belong to the system's page cache and are not counted (`RssAnon` in
/proc/self/status; Linux only). What grows with the store is what training keeps for each example: its label, its row
and its place in the epoch's order.
"""

import json
import math
import shutil
import sys
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, print_value
from benchmarks.peak import record_memory
from benchmarks.training import compose, make_training, open_data, random_data, run_epoch
from benchmarks.workspace import PROJECT, child_environment
from sprout.runtime.run_context import log_nothing

GOAL = 150.0  # MiB
SHAPE = (32, 32, 3)
VAL = 1000
BATCH = 8192
SMALL = 60 << 20
SPARE = 1 << 30
"""Bytes that must remain free on the disk."""


def measure(pairs: int, large: int, small: int = SMALL) -> None:
    """Train an epoch on each store, in separate processes, and print the result.

    Args:
        pairs: trainings on each store.
        large: bytes of images in the large store.
        small: bytes of images in the small store.

    Raises:
        SystemExit: the disk has too little free space.
    """
    with TemporaryDirectory(prefix="sprout-memory-") as scratch:
        folder = Path(scratch)
        refuse_small_disk(folder, large + small)
        for name, size in (("ours", large), ("reference", small)):
            random_data(folder / name, size // math.prod(SHAPE), VAL, SHAPE)
        ours, reference = zip(*[(peak(folder / "ours"), peak(folder / "reference")) for _ in range(pairs)], strict=True)
    differences = [one - other for one, other in zip(ours, reference, strict=True)]
    print_value("memory", GOAL, differences, unit="MiB", ours=ours, reference=reference)


def refuse_small_disk(folder: Path, size: int) -> None:
    """Exit with a message if this many bytes do not fit on the disk."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        needed, available = ((count / 2**30) for count in (size + SPARE, free))
        raise SystemExit(
            f"{folder.parent}: {available:.1f} GiB are free, {needed:.1f} are needed; set TMPDIR, or lower --gib"
        )


def peak(folder: Path) -> float:
    """Return the peak memory of a training on this data, in MiB."""
    command = [sys.executable, "-m", "benchmarks.memory", "--in", str(folder)]
    done = run(command, cwd=PROJECT, env=child_environment(folder / "dvc"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    mib = float(json.loads(done.stdout.splitlines()[-1]))
    print(f"{folder.name}: {mib:.0f} MiB", file=sys.stderr)
    return mib


def train(folder: Path) -> None:
    """Train for one epoch in this process, and print the peak."""
    with TemporaryDirectory(prefix="sprout-checkpoints-") as scratch, record_memory() as samples:
        data = open_data(folder)
        batch = min(BATCH, len(data.train))
        build = compose("model=mlp", "model.hidden=[16]", f"train.batch_size={batch}", "train.accelerator=cpu")
        run_epoch(make_training(data, build, Path(scratch), log_nothing))
    print(json.dumps(max(samples)))


if __name__ == "__main__":
    command_line = parser("memory", __doc__, pairs=1)
    command_line.add_argument("--gib", type=float, default=6.0, help="GiB of images in the large store (default: 6)")
    command_line.add_argument("--in", dest="folder", type=Path, help="train once, on the data in this folder")
    arguments = command_line.parse_args()
    if arguments.folder:
        train(arguments.folder)
    else:
        measure(arguments.pairs, int(arguments.gib * 2**30))
