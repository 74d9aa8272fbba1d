"""An epoch of training that logs every step to MLflow on SQLite ÷ one without tracking.

The CNN and the images are those of the benchmark `epoch`. Records are sent to MLflow in the background: the wall time
is that of the epoch, the CPU time includes sending the rest after its end.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import parser, positive, print_ratio
from benchmarks.training import (
    alternate_epochs,
    compose,
    make_training,
    own_store,
    random_data,
    timed_with_sending,
)
from sprout.runtime.run_context import log_nothing

GOAL = 1.02


def measure(pairs: int, images: int) -> None:
    """Compare epochs, and print the result.

    Args:
        pairs: epochs of each side.
        images: training images; a quarter of this number are for validation.
    """
    tracked, untracked = (compose("model=cnn_3x12", f"train.log_steps={steps}") for steps in (1, 0))
    with TemporaryDirectory(prefix="sprout-tracking-") as scratch, own_store(tracked) as run:
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours, reference = (
            make_training(data, build, Path(scratch, name, "checkpoints"), log)
            for name, build, log in (("ours", tracked, run.log_metrics), ("reference", untracked, log_nothing))
        )
        costs = alternate_epochs(ours, reference, pairs, timed_with_sending)
    print_ratio("tracking", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("tracking", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="training images (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
