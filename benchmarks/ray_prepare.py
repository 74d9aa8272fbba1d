"""The stage `prepare` in a Ray cluster that runs already ÷ by processes of this machine, on the same cores.

    python -m benchmarks.ray_prepare cifar10.tar.xz                  # 60,000 CIFAR-10 JPEGs; needs the extra `ray`

The cluster is one node on loopback with as many CPUs as this process may use; its start is not measured. Each run of
the stage connects to it, and starts its processes there anew, as Ray keeps none from one program to the next. The CPU
time of ours is that of the stage and of all processes of the cluster, less the last moment of those that end.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
SECONDS = 0.1
"""Between two looks at the CPU time of its processes."""


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
            with watched(started) as seen:
                before = dict(seen)
                stage = cost(command, project, env | {"SPROUT_CLUSTER": NAME})
            return Cost(stage.wall, stage.cpu + sum(used - before.get(key, 0.0) for key, used in seen.items()))

        def reference() -> Cost:
            return cost(command, project, env | {"SPROUT_CLUSTER": "local"})

        reference()  # reads the files from disk into the page cache, for both
        ours()
        print_ratio("ray_prepare", GOAL, *alternate(ours, reference, pairs))


@contextmanager
def cluster() -> Iterator[Any]:
    """Start a cluster, whose files lie in a folder with a short path: that of a socket has at most 107 characters."""
    quiet_cluster()
    with TemporaryDirectory(prefix="ray-", dir=short_folder()) as folder:
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (as Ray writes it); 15 without it, also on idle cores
        os.environ["RAY_TMPDIR"] = folder  # where it notes which cluster is the last one that was started
        (temporary := Path(folder, "ray")).mkdir()
        from ray.cluster_utils import Cluster

        head = {"num_cpus": len(os.sched_getaffinity(0)), "object_store_memory": MEMORY, "temp_dir": str(temporary)}
        started = Cluster(initialize_head=True, head_node_args=head | {"include_dashboard": False})
        try:
            yield started
        finally:
            started.shutdown()  # type: ignore[no-untyped-call]


def short_folder() -> str:
    """Return the folder for temporary files, or `/tmp` where its path is long."""
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 20 else "/tmp"  # noqa: S108 (a private one is made in it)


@contextmanager
def watched(started: Any) -> Iterator[dict[tuple[int, float], float]]:
    """Yield the CPU time of each process of a cluster in seconds, which grows while the block runs.

    Ray lets the kernel forget processes that end, so that their time is in no sum at the end.
    """
    seen, ended = cpu_times(started), threading.Event()

    def watch() -> None:
        while not ended.wait(SECONDS):
            seen.update(cpu_times(started))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        seen.update(cpu_times(started))


def cpu_times(started: Any) -> dict[tuple[int, float], float]:
    """Return the CPU time of each process of a cluster until now, by its id and start."""
    found: dict[tuple[int, float], float] = {}
    for server in (info.process.pid for several in started.head_node.all_processes.values() for info in several):
        for process in (psutil.Process(server), *psutil.Process(server).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[process.pid, process.create_time()] = times.user + times.system
    return found


if __name__ == "__main__":
    command_line = parser("ray_prepare", __doc__, pairs=6)
    command_line.add_argument("images", type=Path, help="a folder of image files, or an archive of one")
    arguments = command_line.parse_args()
    measure(arguments.images, arguments.pairs)
