"""The workers of a sweep as the supervisor sees them, and those of this machine: what each may use of it."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Collection, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from sprout.config.train import Training
from sprout.runtime.errors import UserError
from sprout.runtime.launch import end_process_group, start_worker, visible_gpus
from sprout.sweep.messages import Message, receive, send

END_SECONDS = 30.0
"""Time for a worker to write its checkpoint and end."""
POLL_SECONDS = 0.5
"""Time between two looks at the processes, while no message comes."""


class Worker(Protocol):
    """A process that runs one trial after another, on this machine or another one."""

    channel: "Connection[Any, Any]"
    """Its messages; silent until it has connected."""
    log: Path
    """The file with its output."""
    ready: bool
    """Whether it takes trials."""
    waits_for: str | None
    """What it needs before it can start; None if it has that."""

    def has_ended(self) -> bool:
        """Whether the process is dead."""
        ...

    def terminate(self) -> None:
        """Ask the process to write its checkpoint and end; does not wait for that."""
        ...

    def wait(self) -> str:
        """Wait for its end, killing it after a while, and kill all that it has started.

        Returns:
            How it ended: `by SIGKILL`, `with exit code 1`.
        """
        ...

    def send(self, message: Message) -> None:
        """Send a message; if the worker has died, the next `receive` tells."""
        with suppress(OSError):
            send(self.channel, message)

    def receive(self) -> Message | None:
        """Return its next message; None if it is dead, even if a process it has started still holds its socket."""
        while not self.channel.poll(POLL_SECONDS):
            if self.has_ended() and not self.channel.poll():
                return None
        return receive(self.channel)


@dataclass(frozen=True)
class Workplace:
    """Where the workers of a sweep run."""

    threads: int
    """CPU threads of each process of a trial."""
    start: Callable[[int], Worker]
    """Starts the worker of a number, and does not wait until it runs."""


class LocalWorker(Worker):
    """A process of this machine."""

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
        self.log, self.ready, self.waits_for = log, False, None

    def has_ended(self) -> bool:
        """See `Worker`."""
        return self.process.poll() is not None

    def terminate(self) -> None:
        """See `Worker`."""
        self.process.terminate()

    def wait(self) -> str:
        """See `Worker`."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=END_SECONDS)
        code = end_process_group(self.process)
        self.channel.close()
        return how_ended(code)


def how_ended(code: int) -> str:
    """Say how a process ended, by its exit code, which is negative for a signal."""
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def wait_for_messages(workers: Collection[Worker]) -> list[Worker]:
    """Return the workers that have sent a message or have died; none if nothing happens for a while."""
    ready = wait([worker.channel for worker in workers], POLL_SECONDS)
    return [worker for worker in workers if worker.channel in ready or worker.has_ended()]


def end_workers(workers: Iterable[Worker], busy: Container[Worker]) -> None:
    """End all workers: idle ones see their socket closed, busy ones are asked to write their checkpoints."""
    for worker in workers:
        if worker in busy or not worker.ready:
            worker.terminate()
        worker.channel.close()
    for worker in workers:
        worker.wait()


def local_workplace(workers: int, training: Training, logs: Path) -> Workplace:
    """Return this machine, with its cores and GPUs divided among the workers.

    Args:
        workers: their number.
        training: the section `train`.
        logs: the folder of their logs.

    Raises:
        UserError: there are too few GPUs.
    """
    devices = training.processes[0]
    gpus = divide_gpus(workers, getattr(training, "accelerator", "cpu"), devices)
    return Workplace(
        threads=divide_threads(workers * devices, training.threads),
        start=lambda number: LocalWorker(log_of(logs, number), gpus[number]),
    )


def log_of(logs: Path, number: int) -> Path:
    """Return the log of the worker of a number."""
    return logs / f"worker-{number}.log"


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
