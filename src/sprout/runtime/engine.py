"""Where tasks run: in processes of this machine, or in a Ray cluster. Their results come in the order of the tasks."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, Self, TypeVar

from sprout.runtime.errors import UserError
from sprout.runtime.process_pool import in_processes

T = TypeVar("T")


class Engine(Protocol):
    """Runs tasks."""

    elsewhere: ClassVar[bool]
    """Whether other processes than this one run tasks that compute with torch."""

    def run_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """Run tasks, and yield their results in the order of the tasks. Few are made ahead of those that run.

        Args:
            tasks: calls of a module's function with arguments that can be pickled. Where several machines run them,
                these have the files that a task names.

        Raises:
            RuntimeError: the process of a task was killed, or its machine was lost, too often.
            Exception: what a task has raised; no further one starts.
        """
        ...

    def compute_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """The same for tasks that compute with torch: with the threads, and thus the bits, of this process.

        On another machine a task starts in a folder of the same path as the working folder of this process.
        """
        ...

    def keeping(self) -> AbstractContextManager[Self]:
        """Within the block, what the first tasks have started stays for the next ones."""
        ...

    def run_nodes(self, nodes: int, devices: int, command: Sequence[str]) -> int:
        """Run a Python command once per device of several machines; return its exit code.

        Args:
            nodes: how many machines.
            devices: processes on each.
            command: the script, or `-m` and the module, with its arguments.

        Raises:
            UserError: a process raised it, or this engine has no further machine.
            Killed: a signal asked this process to end; all processes have ended.
        """
        ...


@dataclass(frozen=True)
class LocalProcesses:
    """One process for each core of this machine that this process may use."""

    elsewhere: ClassVar[bool] = False

    def run_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """See `Engine`."""
        return in_processes(tasks, len(os.sched_getaffinity(0)))

    def compute_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """See `Engine`: here, one after the other, as torch has threads for all cores."""
        return (task() for task in tasks)

    def keeping(self) -> AbstractContextManager[Self]:
        """See `Engine`: each call starts processes of its own."""
        return nullcontext(self)

    def run_nodes(self, nodes: int, devices: int, command: Sequence[str]) -> int:
        """See `Engine`: these are processes of one machine."""
        raise UserError(
            f"train.nodes={nodes}: start this command on each machine by torchrun or SLURM, or set cluster=ray"
        )


@dataclass(frozen=True)
class RayTasks:
    """Tasks of an existing Ray cluster, each with one CPU, or with one for each thread of torch."""

    elsewhere: ClassVar[bool] = True
    address: str
    """auto, or HOST:PORT of the head."""
    slots: int | None
    """How many tasks run at once; None for one per CPU of the cluster."""

    def run_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """See `Engine`.

        Raises:
            UserError: there is no such cluster, it has another version of Ray or Python, or Ray is not installed.
        """
        from sprout.runtime.ray_tasks import in_cluster

        return in_cluster(tasks, self.address, self.slots)

    def compute_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        """See `Engine`.

        Raises:
            UserError: as `run_in_order` does, or a machine does not have the working folder.
        """
        from sprout.runtime.ray_compute import compute_in_cluster

        return compute_in_cluster(tasks, self.address, self.slots)

    @contextmanager
    def keeping(self) -> Iterator[Self]:
        """See `Engine`: this process stays connected, and processes of the cluster stay its own."""
        from sprout.runtime.ray_tasks import kept

        with kept():
            yield self

    def run_nodes(self, nodes: int, devices: int, command: Sequence[str]) -> int:
        """See `Engine`. Where a machine or a process is lost, the training resumes from its last checkpoint."""
        from sprout.runtime.ray_nodes import run_nodes

        return run_nodes(self.address, nodes, devices, command)
