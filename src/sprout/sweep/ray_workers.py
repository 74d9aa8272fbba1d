"""The workers of a sweep on a Ray cluster: each is a process beside an actor that holds its resources."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from sprout.config.train import Training
from sprout.runtime.cluster_environment import portable_environment
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.ray_tasks import connection
from sprout.sweep.door import Door
from sprout.sweep.seat import Seat, Start
from sprout.sweep.workers import END_SECONDS, Worker, Workplace, how_ended, log_of
from sprout.tracking import tracking_uri
from sprout.tracking.address import sqlite_file

LOST_SECONDS = 5.0
"""Time for Ray to say how a worker ended that has closed its channel; of a lost machine Ray learns later."""


@dataclass(frozen=True)
class Slot:
    """What a worker takes of one machine."""

    cpus: int
    gpus: int

    def __str__(self) -> str:
        counts = {"CPU": self.cpus, "GPU": self.gpus}
        named = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
        return f"a slot ({', '.join(named)} on one machine)"


class RayWorker(Worker):
    """A process somewhere in the cluster."""

    def __init__(self, ray: Any, door: Door, slot: Slot, log: Path) -> None:
        """Ask for a slot in which the process starts.

        Args:
            ray: the package, connected.
            door: where the process connects.
            slot: its resources.
            log: the file that its output is appended to.
        """
        self.ray, self.door, self.log = ray, door, log
        self.ready = False
        self.waits_for: str | None = str(slot)
        self.channel, self.silent = Pipe()  # until it has connected
        self.name = secrets.token_hex(8)
        note(log, f"worker of a Ray cluster: {self.name}")
        door.expect(self.name, self.connected)
        start = Start(self.name, door.address, door.key, Path.cwd(), log.absolute(), portable_environment())
        options = {"num_cpus": slot.cpus, "num_gpus": slot.gpus, "max_concurrency": 2}
        self.seat = ray.remote(Seat).options(**options).remote()
        self.ended = self.seat.run.remote(start).future()

    def connected(self, channel: "Connection[Any, Any]") -> None:
        """Take the channel of the process; the door's thread calls this."""
        self.channel, self.waits_for = channel, None

    def has_ended(self) -> bool:
        """See `Worker`. Also where its machine was lost."""
        return bool(self.ended.done())

    def terminate(self) -> None:
        """See `Worker`."""
        if self.waits_for is None:
            self.seat.terminate.remote()
        else:
            self.ray.kill(self.seat)

    def wait(self) -> str:
        """See `Worker`. The reason why a process did not start goes to its log."""
        self.door.forget(self.name)
        errors = self.ray.exceptions
        try:
            # Not by ray.get, which a signal does not interrupt.
            how = how_ended(self.ended.result(END_SECONDS if self.channel.closed else LOST_SECONDS))
        except TimeoutError:
            how = "with its connection"
        except errors.RayTaskError as error:
            how = "with an error"
            note(self.log, one_line(error.cause))
        except errors.RayError as error:
            how = f"with its Ray actor ({one_line(error).partition('. ')[0][:200]})"
            note(self.log, one_line(error))
        self.ray.kill(self.seat)
        self.channel.close()
        return how


def note(log: Path, line: str) -> None:
    """Append a line to a log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@contextmanager
def ray_workplace(address: str, workers: int, training: Training, logs: Path) -> Iterator[Workplace]:
    """Connect to a Ray cluster whose machines run the workers.

    Args:
        address: auto, or HOST:PORT of the cluster's head.
        workers: their number.
        training: the section `train`.
        logs: the folder of their logs.

    Raises:
        UserError: there is no such cluster, or the workers could not share the tracking store.
    """
    refuse_sqlite(tracking_uri())
    with connection(address) as ray, closing(Door(ray.util.get_node_ip_address())) as door:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        devices, gpus = training.processes[0], gpus_of_trial(training, machines)
        threads = threads_of(machines, workers, devices, gpus, training.threads)
        slot = Slot(threads * devices, gpus)
        yield Workplace(threads, lambda number: RayWorker(ray, door, slot, log_of(logs, number)))


def refuse_sqlite(uri: str) -> None:
    """Refuse a tracking store that several machines cannot share: each worker writes the runs of its trials to it.

    Raises:
        UserError: it is a SQLite file.
    """
    if sqlite_file(uri) is not None:
        raise UserError(
            f"cluster.engine=ray: the tracking store {uri} is a SQLite file, which several machines must not write to; "
            f"run `mlflow server --host ADDRESS --backend-store-uri {uri}` on one machine, and set "
            "MLFLOW_TRACKING_URI=http://ADDRESS:5000 (docs/team.md)"
        )


Machines = Sequence[Mapping[str, float]]
"""The resources of each machine, as Ray counts them."""


def gpus_of_trial(training: Training, machines: Machines) -> int:
    """Return how many GPUs a trial takes.

    Raises:
        UserError: it needs some, and the cluster has none.
    """
    accelerator = getattr(training, "accelerator", "cpu")
    has_gpus = any(machine.get("GPU", 0) for machine in machines)
    if accelerator == "cuda" and not has_gpus:
        raise UserError("train.accelerator=cuda: the Ray cluster has no GPUs; accepted: auto, cpu")
    return training.processes[0] if has_gpus and accelerator in ("auto", "cuda") else 0


def threads_of(machines: Machines, workers: int, devices: int, gpus: int, requested: int) -> int:
    """Return the CPU threads of each process of a trial: as many as let all workers run at once, or fewer if requested.

    Args:
        machines: their resources, free or not.
        workers: their number.
        devices: processes of a trial.
        gpus: GPUs of a trial.
        requested: the setting `train.threads`; 0 for as many as there are.
    """

    def at_once(threads: int) -> int:
        found = 0
        for machine in machines:
            by_gpus = [machine.get("GPU", 0) // gpus] if gpus else []
            found += int(min(machine.get("CPU", 0) // (threads * devices), *by_gpus, workers))
        return min(found, workers)

    most = max((int(machine.get("CPU", 0)) for machine in machines), default=1)
    fitting = [threads for threads in range(1, most + 1) if at_once(threads) == at_once(1)]
    share = max(fitting) if at_once(1) else 1
    return min(requested or share, share)
