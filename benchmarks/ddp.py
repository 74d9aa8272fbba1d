"""Weights after 100 steps with two processes against one, at the same global batch: the largest relative difference.

Both train in float64 and with augmentation, without dropout and batch norm, which depend on each process's share of a
batch. The last batch of each epoch has an odd size, which two processes cannot share evenly. Nothing is timed.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.paired import cost, parser, positive, print_value
from benchmarks.training import (
    TRANSFORMS,
    compose,
    make_training,
    open_data,
    random_data,
    run_epoch,
    transform_overrides,
)
from benchmarks.workspace import PROJECT, child_environment
from sprout.runtime.run_context import log_nothing

GOAL = 1e-6
BATCH, LAST_BATCH = 32, 5
STEPS_PER_EPOCH = 10
IMAGES = (STEPS_PER_EPOCH - 1) * BATCH + LAST_BATCH
PROCESSES = 2
COLOURS = {"brightness": 0.2, "contrast": 0.2, "noise": 0.05, "erase": 0.3}
SETTINGS = (
    *("model=cnn_3x12", "train.precision=64-true", "train.accelerator=cpu", "train.threads=1"),
    *(f"train.batch_size={BATCH}", *transform_overrides(TRANSFORMS | COLOURS)),
)


def measure(epochs: int) -> None:
    """Train with two processes and with one, and print the result."""
    with TemporaryDirectory(prefix="sprout-ddp-") as scratch:
        folder = Path(scratch)
        random_data(folder, IMAGES, BATCH, (12, 12, 1))
        env = child_environment(folder / "dvc")
        module = ["-m", "benchmarks.ddp", "--epochs", str(epochs), "--in", scratch]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={PROCESSES}"]
        for name, command in (("ours", [*launcher, *module]), ("reference", module)):
            took = cost([sys.executable, *command], PROJECT, env)
            print(f"{name}: {took.wall:.0f} s", file=sys.stderr)
        ours, reference = (load_file(weights(folder, count)) for count in (PROCESSES, 1))
    print_value("ddp", GOAL, [largest_difference(ours, reference)], unit="")


def largest_difference(ours: dict[str, Tensor], reference: dict[str, Tensor]) -> float:
    """Return the largest difference of a weight, relative to the reference."""
    differences = [(ours[name] - weight).abs() / weight.abs() for name, weight in reference.items()]
    # 0 / 0 means no difference.
    return max(float(torch.nan_to_num(each, nan=0.0).max()) for each in differences)


def train(folder: Path, epochs: int) -> None:
    """Train, as one of several processes under a launcher; rank 0 writes the weights."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    build = compose(*SETTINGS, f"train.devices={count}", f"train.epochs={epochs}")
    loop = make_training(open_data(folder), build, folder / f"checkpoints-{count}", log_nothing)
    for _ in range(epochs):
        run_epoch(loop)
    assert loop.fabric.world_size == count
    if loop.fabric.global_rank == 0:
        state = loop.module.network.state_dict()
        save_file({name: weight.contiguous() for name, weight in state.items()}, weights(folder, count))


def weights(folder: Path, count: int) -> Path:
    """Return the file with the weights of a training by `count` processes."""
    return folder / f"by-{count}.safetensors"


if __name__ == "__main__":
    command_line = parser("ddp", __doc__, pairs=None)
    command_line.add_argument(
        "--epochs", type=positive, default=10, help=f"of {STEPS_PER_EPOCH} steps (default: %(default)s)"
    )
    command_line.add_argument("--in", dest="folder", type=Path, help="train once, on the data in this folder")
    arguments = command_line.parse_args()
    if arguments.folder:
        train(arguments.folder, arguments.epochs)
    else:
        measure(arguments.epochs)
