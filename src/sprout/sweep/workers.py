"""The workers of a sweep as the supervisor sees them, and what each may use of the machine."""

import os
import signal
import socket
import subprocess
from collections.abc import Collection, Container, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from sprout.runtime.errors import UserError
from sprout.runtime.launch import start_worker, visible_gpus
from sprout.sweep.messages import Message, receive, send

END_SECONDS = 30.0
"""Time for a worker to write its checkpoint and end."""
POLL_SECONDS = 0.5
"""Time between two looks at the processes, while no message comes."""


class Worker:
    """One worker process."""

    def __init__(self, log: Path, gpus: list[str] | None) -> None:
        """Start the process.

        Args:
            log: the file that its output is appended to.
            gpus: the GPUs it may see, by their names for CUDA; None where there are none to divide.
        """
        near, far = socket.socketpair()
        self.process = start_worker("sprout.sweep.worker_main", far.fileno(), log, gpus)
        far.close()
        self.channel = Connection(near.detach())
        self.log, self.ready = log, False

    def send(self, message: Message) -> None:
        """Send a message; if the worker has died, the next `receive` tells."""
        with suppress(OSError):
            send(self.channel, message)

    def receive(self) -> Message | None:
        """Return its next message; None if it is dead, even if a process it has started still holds its socket."""
        while not self.channel.poll(POLL_SECONDS):
            if self.process.poll() is not None and not self.channel.poll():
                return None
        return receive(self.channel)

    def wait(self) -> str:
        """Wait for its end, killing it after a while, and kill the rest of its process group.

        Returns:
            How it ended: `by SIGKILL`, `with exit code 1`.
        """
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.channel.close()
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def wait_for_messages(workers: Collection[Worker]) -> list[Worker]:
    """Return the workers that have sent a message or have died; none if nothing happens for a while."""
    ready = wait([worker.channel for worker in workers], POLL_SECONDS)
    return [worker for worker in workers if worker.channel in ready or worker.process.poll() is not None]


def end_workers(workers: Iterable[Worker], busy: Container[Worker]) -> None:
    """End all workers: idle ones see their socket closed, busy ones are asked to write their checkpoints."""
    for worker in workers:
        if worker in busy or not worker.ready:
            worker.process.terminate()
        worker.channel.close()
    for worker in workers:
        worker.wait()


def divide_gpus(workers: int, accelerator: str, devices: int) -> list[list[str] | None]:
    """Return the GPUs of each worker; None for each if no GPU is used.

    Args:
        workers: the number of workers.
        accelerator: the setting `train.accelerator`.
        devices: GPUs that each trial takes.

    Raises:
        UserError: there are too few GPUs.
    """
    visible = visible_gpus() if accelerator in ("auto", "cuda") else []
    if not visible:
        return [None] * workers
    if workers * devices > len(visible):
        raise UserError(
            f"sweep.workers={workers} with train.devices={devices}: there are {len(visible)} GPUs, and no two workers "
            f"share one; accepted: up to {len(visible) // devices or 'none'}, or train.accelerator=cpu"
        )
    return [visible[first * devices : (first + 1) * devices] for first in range(workers)]


def divide_threads(processes: int, requested: int) -> int:
    """Return the CPU threads of each training process: an equal share of the cores, or fewer if that is requested.

    Args:
        processes: how many train at the same time.
        requested: the setting `train.threads`; 0 for as many as there are.
    """
    share = max(1, len(os.sched_getaffinity(0)) // processes)
    return min(requested or share, share)
