"""An epoch of training with flip, shift, rotation, zoom and shear ÷ one without.

The CNN and the images are those of the benchmark `epoch`; nothing is tracked.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, positive, print_ratio
from benchmarks.training import TRANSFORMS, alternate_epochs, compose, make_training, random_data, transform_overrides
from sprout.runtime.run_context import log_nothing

GOAL = 1.15


def measure(pairs: int, images: int) -> None:
    """Compare epochs, and print the result.

    Args:
        pairs: epochs of each side.
        images: training images; a quarter of this number are for validation.
    """
    with TemporaryDirectory(prefix="sprout-augmented-epoch-") as scratch:
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours, reference = (
            make_training(data, compose("model=cnn_3x12", *moves), Path(scratch, name, "checkpoints"), log_nothing)
            for name, moves in (("ours", transform_overrides(TRANSFORMS)), ("reference", []))
        )
        costs = alternate_epochs(ours, reference, pairs)
    print_ratio("augmented_epoch", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("augmented_epoch", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="training images (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
