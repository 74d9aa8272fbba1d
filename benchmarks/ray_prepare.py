"""The stage `prepare` in a Ray cluster that runs already ÷ by processes of this machine, on the same cores.

    python -m benchmarks.ray_prepare cifar10.tar.xz                  # 60,000 CIFAR-10 JPEGs; needs the extra `ray`

The cluster is one node on loopback with as many CPUs as this process may use; its start is not measured. Each run of
the stage connects to it, and starts its processes there anew, as Ray keeps none from one program to the next. The CPU
time of ours is that of the stage and of all processes of the cluster.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.decode import decoding_project
from benchmarks.paired import Cost, alternate, cost, parser, print_ratio
from sprout.runtime.launch import quiet_cluster

GOAL = 1.0
NAME = "benchmark"
MEMORY = 80 << 20
"""Bytes of Ray's object store; it accepts no less than 75 MiB."""


def measure(images: Path, pairs: int) -> None:
    """Compare the two, and print the result.

    Args:
        images: a folder, in which every file whose name has a dot is an image, or an archive of one.
        pairs: runs of each side.
    """
    with TemporaryDirectory(prefix="sprout-ray-prepare-") as scratch, cluster() as started:
        project, env, command = decoding_project(Path(scratch), images)
        section = f"engine: ray\naddress: {started.address}\nslots: null\nstore: null\n"
        (project / f"conf/cluster/{NAME}.yaml").write_text(section, encoding="utf-8")

        def ours() -> Cost:
            before = cpu_of(started)
            stage = cost(command, project, env | {"SPROUT_CLUSTER": NAME})
            return Cost(stage.wall, stage.cpu + cpu_of(started) - before)

        def reference() -> Cost:
            return cost(command, project, env | {"SPROUT_CLUSTER": "local"})

        reference()  # reads the files from disk into the page cache, for both
        ours()
        print_ratio("ray_prepare", GOAL, *alternate(ours, reference, pairs))


@contextmanager
def cluster() -> Iterator[Any]:
    """Start a cluster, whose files lie in a folder with a short path: that of a socket has at most 107 characters."""
    quiet_cluster()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (as Ray writes it); 15 without it, also where cores are idle
    from ray.cluster_utils import Cluster

    with TemporaryDirectory(prefix="ray-", dir=short_folder()) as folder:
        head = {"num_cpus": len(os.sched_getaffinity(0)), "object_store_memory": MEMORY, "temp_dir": folder}
        started = Cluster(initialize_head=True, head_node_args=head | {"include_dashboard": False})
        try:
            yield started
        finally:
            started.shutdown()


def short_folder() -> str:
    """Return the folder for temporary files, or `/tmp` where its path is long."""
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 20 else "/tmp"  # noqa: S108 (a private one is made in it)


def cpu_of(started: Any) -> float:
    """Return the CPU time of all processes of a cluster until now, in seconds."""
    servers = [info.process.pid for several in started.head_node.all_processes.values() for info in several]
    found: dict[int, psutil.Process] = {}
    for server in map(psutil.Process, servers):
        found |= {process.pid: process for process in (server, *server.children(recursive=True))}
    return sum(sum(times_of(process)) for process in found.values())


def times_of(process: psutil.Process) -> tuple[float, ...]:
    """Return the CPU times of a process, and those of its children that have ended; none where it has ended itself."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return ()
    return times.user, times.system, times.children_user, times.children_system


if __name__ == "__main__":
    command_line = parser("ray_prepare", __doc__, pairs=6)
    command_line.add_argument("images", type=Path, help="a folder of image files, or an archive of one")
    arguments = command_line.parse_args()
    measure(arguments.images, arguments.pairs)
