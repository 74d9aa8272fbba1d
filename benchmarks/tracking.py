"""An epoch of training that logs every step to MLflow ÷ one without tracking.

The CNN and the images are those of the benchmark `epoch`. Records are sent to MLflow in the background: the wall time
is that of the epoch, the CPU time includes sending the rest after its end. The store is a file of SQLite, or a server
that fails: nobody listens at its address (absent), it answers each request with status 500 (error), or takes 10 s for
each (slow). What such a server has not got by the end of an epoch is not waited for.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from benchmarks.faulty_store import Fault, proxy_of
from benchmarks.paired import Cost, parser, positive, print_ratio, timed
from benchmarks.training import (
    alternate_epochs,
    compose,
    make_training,
    own_run,
    own_store,
    random_data,
    timed_with_sending,
)
from sprout.config.workspace import Build
from sprout.runtime.run_context import log_nothing
from sprout.tracking import Run
from sprout.tracking.ui import HOST, SERVER, start, wait_until_healthy

GOAL, GOAL_FAULTY = 1.02, 1.05
STORES = ("sqlite", "absent", *(fault.value for fault in (Fault.ERROR, Fault.SLOW)))


def measure(pairs: int, images: int, store: str = STORES[0]) -> None:
    """Compare epochs, and print the result.

    Args:
        pairs: epochs of each side.
        images: training images; a quarter of this number are for validation.
        store: one of `STORES`.
    """
    tracked, untracked = (compose("model=cnn_3x12", f"train.log_steps={steps}") for steps in (1, 0))
    with TemporaryDirectory(prefix="sprout-tracking-") as scratch, run_in(store, tracked) as (run, cost):
        data = random_data(Path(scratch), images, max(1, images // 4))
        ours, reference = (
            make_training(data, build, Path(scratch, name, "checkpoints"), log)
            for name, build, log in (("ours", tracked, run.log_metrics), ("reference", untracked, log_nothing))
        )
        costs = alternate_epochs(ours, reference, pairs, cost)
    name, goal = ("tracking", GOAL) if store == STORES[0] else (f"tracking_{store}", GOAL_FAULTY)
    print_ratio(name, goal, *costs)


@contextmanager
def run_in(store: str, build: Build) -> Iterator[tuple[Run, Callable[[Callable[[], None]], Cost]]]:
    """Track in a store; yields the run, and what times an epoch of it."""
    if store == STORES[0]:
        with own_store(build) as run:
            yield run, timed_with_sending
    elif store == "absent":
        with own_run(build, f"http://{HOST}:{free_port()}") as run:
            yield run, timed
    else:
        with server() as address, proxy_of(address) as proxy:
            proxy.fault = Fault(store)
            with own_run(build, proxy.uri) as run:
                yield run, timed


@contextmanager
def server() -> Iterator[str]:
    """Run `mlflow server` on a new store of SQLite; yields its address."""
    with TemporaryDirectory(prefix="sprout-mlflow-") as scratch, patch.dict(os.environ, {"DVC_ROOT": scratch}):
        port, log = free_port(), Path(scratch, "log")
        process = start(f"sqlite:///{scratch}/mlflow.db", port, {**SERVER, **os.environ}, log)
        try:
            wait_until_healthy(process, port, log)
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    command_line = parser("tracking", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=40_000, help="training images (default: %(default)s)")
    command_line.add_argument("--store", choices=STORES, default=STORES[0], help="default: %(default)s")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images, arguments.store)
