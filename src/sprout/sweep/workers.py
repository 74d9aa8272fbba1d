"""The workers of a sweep, as the supervisor sees them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Container, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from sprout.runtime.errors import UserError
from sprout.sweep.channel import Message, receive, send

SOURCE = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds that a worker has to write its checkpoint and end."""
LOOK = 0.5
"""Seconds between two looks, where no worker says anything."""


class Worker:
    """One process, in a session of its own: Ctrl-C reaches the supervisor alone."""

    def __init__(self, log: Path, devices: list[str] | None) -> None:
        """Start it.

        Args:
            log: takes what it prints.
            devices: the GPUs that it may see, by the names that CUDA has for them; None for whatever there is.
        """
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        env = os.environ | {"PYTHONPATH": path, "PARENT_PID": str(os.getpid())}
        if devices is not None:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sprout.sweep.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        theirs.close()
        self.channel = Connection(ours.detach())
        self.log, self.ready = log, False

    def tell(self, message: Message) -> None:
        """Send it a message; one that has died is noticed when it is listened to."""
        try:
            send(self.channel, message)
        except OSError:
            return

    def hear(self) -> Message | None:
        """Its next message; None where it is dead, be its end of the socket still held by a process that it started."""
        while not self.channel.poll(LOOK):
            if self.process.poll() is not None and not self.channel.poll():
                return None
        return receive(self.channel)

    def bury(self) -> str:
        """Wait for the end of a worker that is dead or dying, and end what is left of its tree; how it ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.channel.close()
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"


def speaking(workers: Collection[Worker]) -> list[Worker]:
    """Those that have said something, or have died; after a while none."""
    ready = wait([worker.channel for worker in workers], LOOK)
    return [worker for worker in workers if worker.channel in ready or worker.process.poll() is not None]


def end_all(workers: Iterable[Worker], at_work: Container[Worker]) -> None:
    """Let the idle ones end and ask those at work to write their checkpoints and end; end those that do not."""
    for worker in workers:
        if worker in at_work or not worker.ready:
            worker.process.terminate()
        worker.channel.close()  # what waits for an answer will have none
    for worker in workers:
        worker.bury()


def shares_of_devices(workers: int, accelerator: str, devices: int) -> list[list[str] | None]:
    """The GPUs of each worker; None for each where there are none to be used.

    Args:
        workers: how many there will be.
        accelerator: the setting `train.accelerator`.
        devices: that each trial takes.

    Raises:
        UserError: there are fewer GPUs than they would need.
    """
    visible = gpus() if accelerator in ("auto", "cuda") else []
    if not visible:
        return [None] * workers
    if workers * devices > len(visible):
        raise UserError(
            f"sweep.workers={workers} with train.devices={devices}: there are {len(visible)} GPUs, and each belongs to "
            f"one worker; accepted: up to {len(visible) // devices or 'none'}, or train.accelerator=cpu"
        )
    return [visible[first * devices : (first + 1) * devices] for first in range(workers)]


def gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA has for them."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()  # CUDA takes the names up to the first one that it does not know
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def shared_threads(processes: int, asked: int) -> int:
    """The CPU threads of each process that trains: the cores divided among them, or fewer where the setting says so."""
    share = max(1, len(os.sched_getaffinity(0)) // processes)
    return min(asked or share, share)
