"""A Ray cluster on loopback with a head and nodes that tests may kill. Nothing here ends another Ray of the host."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.runtime.launch import quiet_cluster

quiet_cluster()
# Ray runs its processes with a niceness of 15, so that whatever else the machine does would hold these tests up.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (as Ray writes it)

from ray.cluster_utils import Cluster  # noqa: E402 (after its variables are set)

MEMORY = 80 << 20  # bytes of the object store of each node; Ray accepts no less than 75 MiB
LONG = 120.0  # seconds


@dataclass
class RayCluster:
    """The head, which has one CPU, and further nodes."""

    cluster: Cluster

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, cpus: int = 1) -> Any:
        """Add a node, and return it when it is a part of the cluster."""
        return self.cluster.add_node(num_cpus=cpus, object_store_memory=MEMORY)

    def kill(self, node: Any) -> None:
        """Kill a node with all of its processes, as a power cut would."""
        processes = [info.process for started in node.all_processes.values() for info in started]
        self.cluster.remove_node(node, allow_graceful=False)
        for process in processes:
            process.wait()


@contextmanager
def ray_cluster(folder: Path) -> Iterator[RayCluster]:
    """Start a cluster whose files are in a folder with a short path (a socket's path has at most 107 characters)."""
    head = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False, "temp_dir": str(folder)}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield RayCluster(cluster)
    finally:
        cluster.shutdown()


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that the cluster does."""
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def others_of_this_host() -> set[int]:
    """The pids of Ray's servers on this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() in ("raylet", "gcs_server"):
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found - {os.getpid()}
