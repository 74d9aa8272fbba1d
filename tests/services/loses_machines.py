"""An engine whose cluster loses a machine each time that it runs tasks, while one of these writes a file."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from ray_cluster import RayCluster
from sprout.runtime.engine import LocalProcesses, RayTasks
from tasks_of_tests import held

T = TypeVar("T")


@dataclass(frozen=True)
class LosesMachines(LocalProcesses):
    """A cluster that loses a machine in each phase."""

    elsewhere: ClassVar[bool] = True
    cluster: RayCluster
    folder: Path
    lost: list[int] = field(default_factory=list)
    """The processes that were in the middle of a file when their machine was lost."""

    @property
    def engine(self) -> RayTasks:
        return RayTasks(self.cluster.address, None)

    def run_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        with self.loss() as (started, go):
            yield from self.engine.run_in_order(partial(held, task, started, go) for task in tasks)

    def compute_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        with self.loss() as (started, go):
            yield from self.engine.compute_in_order(partial(held, task, started, go) for task in tasks)

    @contextmanager
    def loss(self) -> Iterator[tuple[str, str]]:
        """Add a machine, and lose it when both machines run tasks; yield the arguments of `held`."""
        started, go = self.folder / f"started-{len(self.lost)}", self.folder / f"go-{len(self.lost)}"
        started.mkdir()
        node = self.cluster.add()

        def lose() -> None:
            self.lost.extend(self.cluster.kill_in_task(node, started))
            go.touch()

        thread = threading.Thread(target=lose)
        thread.start()
        yield str(started), str(go)
        thread.join()
