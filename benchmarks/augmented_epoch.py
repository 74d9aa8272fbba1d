"""An epoch of training with flip, shift, rotation, zoom and shear ÷ one without.

The CNN and the images are those of the benchmark `epoch`; nothing is tracked.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, positive, print_figure
from benchmarks.training import MOVES, compose, epochs_in_turn, make_training, moving, random_data, untracked

GOAL = 1.15


def measure(pairs: int, images: int) -> None:
    """Compare epochs; prints the figure.

    Args:
        pairs: how many epochs of each.
        images: training images; a quarter as many validate.
    """
    with TemporaryDirectory(prefix="sprout-augmented-epoch-") as scratch:
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours, reference = (
            make_training(data, compose("model=cnn_3x12", *moves), Path(scratch, name, "checkpoints"), untracked)
            for name, moves in (("ours", moving(MOVES)), ("reference", []))
        )
        costs = epochs_in_turn(ours, reference, pairs)
    print_figure("augmented_epoch", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("augmented_epoch", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="to train on (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
