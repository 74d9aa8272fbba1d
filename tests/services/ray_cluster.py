"""A Ray cluster on loopback with a head and nodes that tests may kill. Nothing here ends another Ray of the host."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sprout.runtime.cluster_environment import prepare_for_ray

prepare_for_ray()
# Ray runs its processes with a niceness of 15, so that whatever else the machine does would hold these tests up.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (as Ray writes it)

from ray.cluster_utils import Cluster  # noqa: E402 (after its variables are set)

MEMORY = 80 << 20  # bytes of the object store of each node; Ray accepts no less than 75 MiB
LONG = 400.0  # seconds; guards against hanging alone


@dataclass
class RayCluster:
    """The head, which has one CPU, and further nodes."""

    cluster: Cluster

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, cpus: int = 1, variables: dict[str, str] | None = None) -> Any:
        """Add a node, whose processes have these variables, and return it when it is a part of the cluster."""
        return self.cluster.add_node(num_cpus=cpus, object_store_memory=MEMORY, env_vars=variables)

    def kill(self, node: Any) -> None:
        """Kill a node with all of its processes, as a power cut would."""
        processes = [info.process for started in node.all_processes.values() for info in started]
        self.cluster.remove_node(node, allow_graceful=False)
        for process in processes:
            process.wait()

    def kill_in_task(self, node: Any, started: Path) -> list[int]:
        """Kill a node once two tasks that wait run, one of them on it; return the pids that have ended.

        Args:
            node: the node.
            started: where `waits` says that a task has started.
        """
        wait_until(lambda: len(list(started.iterdir())) >= 2)
        pids = [int(path.name.partition("-")[2]) for path in started.iterdir()]
        self.kill(node)
        wait_until(lambda: any(map(has_ended, pids)))  # a process outlives its node a little
        return [pid for pid in pids if has_ended(pid)]


@contextmanager
def ray_cluster(folder: Path) -> Iterator[RayCluster]:
    """Start a cluster whose files are in a folder with a short path (a socket's path has at most 107 characters)."""
    head = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False, "temp_dir": str(folder)}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield RayCluster(cluster)
    finally:
        cluster.shutdown()


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or nobody has asked yet how it ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that the cluster does."""
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def servers_in(folder: Path) -> list[int]:
    """The pids of Ray's servers whose files are in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            program, *words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(program).name in ("raylet", "gcs_server") and any(str(folder) in word for word in words):
            found.append(int(path.parent.name))
    return found
