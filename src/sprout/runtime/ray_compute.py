"""Tasks in a Ray cluster that compute with torch, to the same bits as in this process."""

import os
from collections.abc import Collection, Generator, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sprout.runtime.cpu_kernels import Kernels, own_kernels
from sprout.runtime.errors import UserError, listed
from sprout.runtime.ray_tasks import connection, run_tasks

T = TypeVar("T")
ORDER = ("DEFAULT", "AVX2", "AVX512")
"""Capabilities of CPUs, each with all before."""


def compute_in_cluster(tasks: Iterator[partial[T]], address: str, slots: int | None) -> Generator[T]:
    """Run tasks in a cluster, each with as many threads as this process; yield their results in the order of the tasks.

    Args:
        tasks: calls that can be pickled.
        address: auto, or HOST:PORT of the cluster's head.
        slots: how many run at once; None for as many as the cluster has CPUs for.

    Raises:
        UserError: there is no such cluster, it has another version of Ray or Python, Ray is not installed, or a
            machine has other CPU kernels than this one, or no working folder of this process.
        RuntimeError: the process or machine of a task was lost too often.
        Exception: what a task has raised.
    """
    import torch

    threads, folder, mine = torch.get_num_threads(), Path.cwd(), own_kernels()
    with connection(address) as ray:
        machines = cpus_of_machines(ray)
        check_machines(ray, machines, mine)
        # Tasks of more threads than any machine has CPUs would wait for ever.
        cpus = min(threads, max(machines.values(), default=1))
        yield from run_tasks(ray, (partial(compute, task, folder, threads, mine) for task in tasks), cpus, slots)


def cpus_of_machines(ray: Any) -> dict[str, int]:
    """The CPUs of each machine that has some, by Ray's name: the head of a cluster may have none, and runs no task."""
    cpus = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
    return {name: count for name, count in cpus.items() if count}


def compute(task: partial[T], folder: Path, threads: int, expected: Kernels) -> T:
    """Run a task on a machine of the cluster, which may have joined it since its machines were compared.

    Args:
        task: the call.
        folder: where it runs.
        threads: of torch.
        expected: what it must compute with.

    Raises:
        UserError: this machine does not have the folder, or has other CPU kernels.
    """
    try:
        os.chdir(folder)
    except OSError:
        raise UserError(
            f"{folder}: not found on {os.uname().nodename}; the workspace must be on a file system of all machines"
        ) from None
    refuse_others([kernels_with(threads)], expected)
    return task()


def kernels_with(threads: int) -> Kernels:
    """Use so many threads of torch from now on, and return what this process computes with."""
    import torch

    torch.set_num_threads(threads)
    return found_once(threads)


@cache
def found_once(threads: int) -> Kernels:
    """What this process computes with, by its number of threads; every task asks for it."""
    return own_kernels()


def check_machines(ray: Any, nodes: Collection[str], mine: Kernels) -> None:
    """Check that machines compute the same bits as this one.

    Args:
        ray: the package, connected.
        nodes: the machines, by Ray's names.
        mine: what this process computes with.

    Raises:
        UserError: some compute others, or have not the capability that was set; one that is lost meanwhile is left out.
    """
    import torch
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=0)(kernels_with)
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [ask.options(scheduling_strategy=place).remote(torch.get_num_threads()).future() for place in places]
    found = []
    for answer in asked:
        try:
            found.append(answer.result())
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError:
            continue
    refuse_others(found, mine)


def refuse_others(found: Collection[Kernels], mine: Kernels) -> None:
    """Refuse machines that compute other bits than this process.

    Raises:
        UserError: there are some.
    """
    others = [each for each in found if not each.same(mine)]
    if not others:
        return
    names = listed(sorted({f"{each.machine} ({each.capability})" for each in others}))
    known = [each.capability for each in (mine, *others) if each.capability in ORDER]
    lowest = min(known, key=ORDER.index, default="DEFAULT").lower()
    raise UserError(
        f"cluster.engine=ray: {names} would compute other bits than {mine.machine} ({mine.capability}), as their CPUs "
        f"differ; set cluster.cpu_capability={lowest}, or a lower one of {', '.join(ORDER).lower()}, or take machines "
        "of one kind"
    )
