"""The process between a command and its ranks: torchrun, whose report of a failure becomes one line.

Started by `launch.run_ranks` and `ray_node.Node` as `launch.RANKS`, with torchrun's options.
"""

import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sprout.runtime.launch import KILLED, has_rank_error
from sprout.runtime.signals import leave

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

RESUMES = "the same command resumes from the last checkpoint"


def main(arguments: Sequence[str]) -> int:
    """Run a Python command by torchrun, from its options and the command; return the exit code."""
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # torchrun logs what is said here
    try:
        untyped: Any = torchrun
        untyped.run(untyped.parse_args(list(arguments)))
    except ChildFailedError as error:
        if not has_rank_error():
            print("error:", describe(error.failures), file=sys.stderr)
        return KILLED if any(each.exitcode < 0 for each in error.failures.values()) else 1
    except SignalException as error:
        return 128 + error.sigval
    return 0


def describe(failures: "dict[int, ProcessFailure]") -> str:
    """What has ended the ranks, in one line: of all failures, by rank, a kill rather than what followed from it."""
    rank, failure = min(failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp, item[0]))
    if failure.exitcode >= 0:
        return f"process {rank} of the training has ended with exit code {failure.exitcode}; {RESUMES}"
    why = " (as the kernel does when memory runs out)" if failure.exitcode == -signal.SIGKILL else ""
    return f"process {rank} of the training was killed by {failure.signal_name()}{why}; {RESUMES}"


if __name__ == "__main__":
    code = main(sys.argv[1:])
    leave(code)
    sys.exit(code)
