"""`prepare` in a Ray cluster that runs already ÷ by processes of this machine, on the same cores.

    python -m benchmarks.ray_prepare cifar10.tar.xz                  # 60,000 CIFAR-10 JPEGs; needs the extra `ray`

Both list nothing: the files are listed once, and each run decodes all of them and writes the stores. The cluster is one
node on loopback with as many CPUs as this process may use. Its start and the imports of this process are not measured;
a run connects to the cluster, where its processes start anew, as Ray keeps none from one program to the next. CPU time
is that of this process and of all others, less the last moment of Ray's processes that end.
"""

import os
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.paired import Cost, alternate, parser, print_ratio, timed
from benchmarks.workspace import PROJECT
from sprout.config import validate
from sprout.config.formats import Folders
from sprout.config.prepare import Prepare
from sprout.config.workspace import read_yaml
from sprout.data.formats import read_format
from sprout.data.formats.archive import unpack
from sprout.data.listing import Listing
from sprout.data.prepare.prepare import prepare
from sprout.runtime.cluster_environment import prepare_for_ray
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.files import atomic_folder, scratch_folder

GOAL = 1.0
MEMORY = 80 << 20
"""Bytes of Ray's object store; it accepts no less than 75 MiB."""
SECONDS = 0.25
"""Between two looks at the CPU time of its processes."""
TICKS = os.sysconf("SC_CLK_TCK")
"""Of the kernel's clock, in a second."""


def measure(images: Path, pairs: int) -> None:
    """Compare the two, and print the result.

    Args:
        images: a folder with class folders of images, or an archive of one.
        pairs: runs of each side.
    """
    with (
        TemporaryDirectory(prefix="sprout-ray-prepare-") as scratch,
        cluster() as started,
        RayTasks(started.address, None).keeping() as engine,
    ):
        if images.is_file():
            unpack(images, unpacked := Path(scratch, "images"))
            images = unpacked
        listing = read_format(images, Path(scratch), Folders("folders"))

        def ours() -> Cost:
            with watched(started) as seen:
                before = dict(seen)
                here = timed(lambda: prepared(listing, Path(scratch), engine))
            return Cost(here.wall, here.cpu + sum(used - before.get(key, 0.0) for key, used in seen.items()))

        def reference() -> Cost:
            before = cpu_of_children()
            here = timed(lambda: prepared(listing, Path(scratch), LocalProcesses()))
            return Cost(here.wall, here.cpu + cpu_of_children() - before)

        reference()  # reads the files from disk into the page cache, for both
        ours()
        print_ratio("ray_prepare", GOAL, *alternate(ours, reference, pairs))


def prepared(listing: Listing, scratch: Path, engine: Engine) -> None:
    """Write the stores of all images."""
    own = {"val": 0.2, "near_duplicates": False} | ({} if listing.split is not None else {"test": 0.2})
    settings = validate.section("prepare", read_yaml(PROJECT / "conf/prepare/default.yaml") | own, Prepare)
    with atomic_folder(scratch / "prepared") as made, scratch_folder(scratch / "parts") as parts:
        prepare(listing, made, parts, settings, engine)


def cpu_of_children() -> float:
    """Return the CPU time of the processes that this one has started and waited for, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def cluster() -> Iterator[Any]:
    """Start a cluster, whose files lie in a folder with a short path: that of a socket has at most 107 characters."""
    prepare_for_ray()
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
    parents, found = dict[int, int](), dict[int, tuple[float, float]]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            process = int(path.parent.name)
            parents[process] = int(fields[1])
            found[process] = float(fields[19]), (int(fields[11]) + int(fields[12])) / TICKS
    servers = {info.process.pid for several in started.head_node.all_processes.values() for info in several}

    def belongs(process: int) -> bool:
        return process in servers or (process in parents and belongs(parents[process]))

    return {(process, start): used for process, (start, used) in found.items() if belongs(process)}


if __name__ == "__main__":
    command_line = parser("ray_prepare", __doc__, pairs=6)
    command_line.add_argument("images", type=Path, help="class folders of image files, or an archive of them")
    arguments = command_line.parse_args()
    measure(arguments.images, arguments.pairs)
