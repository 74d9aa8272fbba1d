"""A worker's seat in a Ray cluster: an actor that holds the resources of a worker and runs its process beside it."""

import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sprout.runtime.errors import UserError
from sprout.runtime.launch import end_process_group, start_worker
from sprout.sweep.door import connect


@dataclass(frozen=True)
class Start:
    """What a seat needs to start the process of a worker. What it keeps secret is in no message."""

    name: str
    """Of this start alone; the last line of the log has it."""
    address: tuple[str, int]
    """Of the supervisor's door."""
    key: bytes = field(repr=False)
    """Of the door."""
    workspace: Path
    """The working folder of the process."""
    log: Path
    """The file that its output is appended to."""
    environment: Mapping[str, str] = field(repr=False)
    """The variables of the supervisor's process."""


class Seat:
    """The actor. Ray calls its methods in threads, at most two at once."""

    def __init__(self) -> None:
        """Take the seat, of which Ray has reserved the resources."""
        self.process: subprocess.Popen[bytes] | None = None
        self.ending, self.starting = False, threading.Lock()

    def run(self, start: Start) -> int:
        """Run the process of a worker, which ends with this one; return its exit code, negative for a signal.

        Raises:
            UserError: this machine does not have the sweep's folder, or cannot reach its supervisor.
        """
        check_shared(start)
        with connect(start.address, start.key, start.name) as channel, self.starting:
            if self.ending:
                return -signal.SIGTERM
            self.process = start_worker(
                "sprout.sweep.worker_main",
                channel.fileno(),
                start.log,
                gpus(),
                folder=start.workspace,
                environment=start.environment,
            )
        self.process.wait()
        return end_process_group(self.process)

    def terminate(self) -> None:
        """Ask the process to end by SIGTERM."""
        with self.starting:
            self.ending = True
            if self.process is not None:
                self.process.terminate()


def check_shared(start: Start) -> None:
    """Check that this machine has the very log that the supervisor has begun.

    Raises:
        UserError: it does not.
    """
    lines = start.log.read_text(encoding="utf-8", errors="replace").split() if start.log.is_file() else []
    if start.name not in lines:
        raise UserError(
            f"{start.log}: the machine {socket.gethostname()} does not have the folder of this sweep; the workspace "
            "must be on a file system that all machines of the cluster share, at the same path"
        )


def gpus() -> list[str]:
    """Return the GPUs that Ray has given this actor, by their names for CUDA."""
    import ray

    return [str(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids()["GPU"]]
