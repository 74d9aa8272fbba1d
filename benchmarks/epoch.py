"""An epoch of training (train and val, tracked in MLflow) ÷ an epoch of a plain PyTorch loop.

    python -m benchmarks.epoch                # the CNN of 3 × 12 filters, 40,000 + 10,000 images, batch size 100
    python -m benchmarks.epoch --batch 32

Both run alternately in one process with two threads. The reference (bare.py) has its images in memory, as normalised
floats in the memory format that is faster here, and nothing around its steps: no files, no schedule, no training
metrics, no progress, no checkpoints, no tracking. Its optimizer is `torch.optim.Adam` with its default or with
`fused=True`, which ours uses: the faster one, unless --fused or --no-fused is given.
"""

import argparse
import sys
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.bare import BareLoop
from benchmarks.paired import alternate, parser, positive, print_ratio, timed
from benchmarks.training import (
    compose,
    make_training,
    own_store,
    random_data,
    run_epoch,
    timed_with_sending,
)
from sprout.data.dataset import TrainingData

GOALS = {100: 1.05, 32: 1.15}
"""By batch size."""
FORMATS = (torch.contiguous_format, torch.channels_last)
TRIALS, TRIAL_STEPS = 5, 30


def measure(pairs: int, images: int, batch: int, fused: bool | None) -> None:
    """Compare epochs, and print the result.

    Args:
        pairs: epochs of each side.
        images: training images; a quarter of this number are for validation.
        batch: examples in a step.
        fused: the reference's optimizer; None means the faster one.
    """
    build = compose("model=cnn_3x12", f"train.batch_size={batch}")
    with TemporaryDirectory(prefix="sprout-epoch-") as scratch, own_store(build) as run:
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours = make_training(data, build, Path(scratch, "checkpoints"), run.log_metrics)
        reference = fastest(data, batch, fused)
        run_epoch(ours)  # warm-up
        reference.epoch()
        costs = alternate(lambda: timed_with_sending(lambda: run_epoch(ours)), lambda: timed(reference.epoch), pairs)
    print_ratio("epoch" if batch == 100 else f"epoch_{batch}", GOALS[batch], *costs)


def fastest(data: TrainingData, batch: int, fused: bool | None) -> BareLoop:
    """Return the plain loop with the fastest memory format and optimizer, by the best of several trials."""
    variants = list(product(FORMATS, (False, True) if fused is None else (fused,)))
    loops = [BareLoop(data, batch, *variant) for variant in variants]
    trial = [partial(loop.train, TRIAL_STEPS * batch) for loop in loops]
    walls = [[timed(run).wall for run in trial] for _ in range(TRIALS)]
    best = [min(side) for side in zip(*walls, strict=True)]
    for (memory_format, is_fused), wall in zip(variants, best, strict=True):
        print(
            f"reference: {memory_format}, fused={is_fused}: {1000 * wall / TRIAL_STEPS:.2f} ms a step", file=sys.stderr
        )
    return loops[best.index(min(best))]


if __name__ == "__main__":
    command_line = parser("epoch", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="training images (default: %(default)s)")
    command_line.add_argument("--batch", type=int, choices=list(GOALS), default=100, help="default: %(default)s")
    command_line.add_argument("--fused", action=argparse.BooleanOptionalAction, help="default: the faster one")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images, arguments.batch, arguments.fused)
