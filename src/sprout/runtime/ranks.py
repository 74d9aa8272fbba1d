"""The process between a command and its ranks: torchrun, whose report of a failure becomes one line.

Started by `launch.run_ranks` as `python -m sprout.runtime.ranks DEVICES COMMAND …`.
"""

import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sprout.runtime.launch import has_rank_error

RESUMES = "the same command resumes from the last checkpoint"


def main(devices: str, command: Sequence[str]) -> int:
    """Run a Python command once per device; return the exit code."""
    logging.disable(logging.ERROR)  # torchrun logs what is said here
    try:
        untyped: Any = torchrun
        untyped.run(untyped.parse_args(["--standalone", f"--nproc-per-node={devices}", *command]))
    except ChildFailedError as error:
        if not has_rank_error():
            print("error:", describe(error.failures), file=sys.stderr)
        return 1
    except SignalException as error:
        return 128 + error.sigval
    return 0


def describe(failures: dict[int, ProcessFailure]) -> str:
    """What has ended the ranks, in one line: of all failures, by rank, a kill rather than what followed from it."""
    rank, failure = min(failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp, item[0]))
    if failure.exitcode >= 0:
        return f"process {rank} of the training has ended with exit code {failure.exitcode}; {RESUMES}"
    why = " (as the kernel does when memory runs out)" if failure.exitcode == -signal.SIGKILL else ""
    return f"process {rank} of the training was killed by {failure.signal_name()}{why}; {RESUMES}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
