"""An epoch of training that logs every step to MLflow on SQLite ÷ one with tracking off.

The CNN and the images are those of the benchmark `epoch`. What a run says is sent in the background: the wall time is
that of the epoch, and of what is sent after its end the CPU time counts.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, positive, print_figure
from benchmarks.training import (
    compose,
    epochs_in_turn,
    make_training,
    own_store,
    random_data,
    timed_with_sending,
    untracked,
)

GOAL = 1.02


def measure(pairs: int, images: int) -> None:
    """Compare epochs; prints the figure.

    Args:
        pairs: how many epochs of each.
        images: training images; a quarter as many validate.
    """
    loud, silent = (compose("model=cnn_3x12", f"train.log_steps={steps}") for steps in (1, 0))
    with TemporaryDirectory(prefix="sprout-tracking-") as scratch, own_store(loud) as run:
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours, reference = (
            make_training(data, build, Path(scratch, name, "checkpoints"), log)
            for name, build, log in (("ours", loud, run.log_metrics), ("reference", silent, untracked))
        )
        costs = epochs_in_turn(ours, reference, pairs, timed_with_sending)
    print_figure("tracking", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("tracking", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="to train on (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
