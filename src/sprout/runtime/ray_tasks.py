"""Tasks in a Ray cluster that runs already. A task whose machine is lost runs again on another one."""

import logging
import signal
import socket
import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, TypeVar

from sprout.runtime.cluster_environment import cluster_address, cluster_environment, prepare_for_ray
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.signals import ENDING

T = TypeVar("T")
EXTRA = "pip install 'sprout[ray]'"
AHEAD = 3
"""Tasks in flight for each that runs."""
RETRIES = 5
"""How often a task runs again after its process or machine was lost."""
CONNECT_SECONDS = 5


def in_cluster(tasks: Iterator[partial[T]], address: str, slots: int | None) -> Generator[T]:
    """Run tasks in a cluster, each with one CPU; yield their results in the order of the tasks.

    Args:
        tasks: calls that can be pickled.
        address: auto, or HOST:PORT of the cluster's head.
        slots: how many run at once; None for one per CPU of the cluster.

    Raises:
        UserError: there is no such cluster, it has another version of Ray or Python, or Ray is not installed.
        RuntimeError: the process or machine of a task was lost too often.
        Exception: what a task has raised.
    """
    with connection(address) as ray:
        yield from run_tasks(ray, tasks, 1, slots)


def run_tasks(ray: Any, tasks: Iterator[partial[T]], cpus: int, slots: int | None) -> Generator[T]:
    """Run tasks in the cluster that is connected; yield their results in the order of the tasks.

    Args:
        ray: the package.
        tasks: calls that can be pickled.
        cpus: that each task reserves.
        slots: how many run at once; None for as many as the cluster has CPUs for.

    Raises:
        RuntimeError: the process or machine of a task was lost too often.
        Exception: what a task has raised.
    """
    run = ray.remote(num_cpus=cpus, max_retries=RETRIES, retry_exceptions=False)(call)
    at_once = slots or max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
    running: deque[Any] = deque()
    try:
        for number, task in enumerate(tasks):
            running.append((number, run.options(name=task.func.__name__).remote(task)))
            if len(running) >= AHEAD * at_once:
                yield result(ray, *running.popleft())
        while running:
            yield result(ray, *running.popleft())
    finally:
        for _, reference in running:
            ray.cancel(reference, force=True)


def call(task: partial[T]) -> T:
    """Run a task; this is what a process of the cluster does."""
    return task()


def result(ray: Any, number: int, reference: Any) -> Any:
    """Return what a task has returned.

    Args:
        ray: the package.
        number: of the task, from 0.
        reference: to its result.

    Raises:
        RuntimeError: its process or machine was lost too often.
        Exception: what it has raised.
    """
    try:
        # Not by ray.get, which a signal does not interrupt.
        return reference.future().result()
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise RuntimeError(
            f"task {number + 1}: its process or machine was lost {RETRIES + 1} times ({one_line(error)[:200]}); Ray's "
            "logs say more, in /tmp/ray/session_latest/logs of that machine"
        ) from None


class Connections:
    """Whether this process stays connected."""

    keeping: ClassVar[int] = 0
    """The blocks of `kept` that it is in."""


@contextmanager
def kept() -> Iterator[None]:
    """Within the block, a connection that was made stays, and so do the processes that have run tasks."""
    Connections.keeping += 1
    try:
        yield
    finally:
        Connections.keeping -= 1
        if not Connections.keeping and "ray" in sys.modules:
            sys.modules["ray"].shutdown()


@contextmanager
def connection(address: str) -> Iterator[Any]:
    """Connect to a cluster; yield the package `ray`, and disconnect at the end, unless connections are kept.

    Raises:
        UserError: there is no such cluster, it has another version of Ray or Python, or Ray is not installed.
    """
    prepare_for_ray()
    try:
        import ray
    except ImportError as error:
        raise UserError(f"cluster.engine=ray: needs the package {error.name}: {EXTRA}") from None
    if not ray.is_initialized():
        connect(ray, address)
    try:
        yield ray
    finally:
        if not Connections.keeping:
            ray.shutdown()


def connect(ray: Any, address: str) -> None:
    """Connect to a cluster by the package `ray`; errors as for `connection`."""
    ray._private.worker._worker_logs_enabled = False  # 20 lines for each machine that is lost
    handlers = {signum: signal.getsignal(signum) for signum in ENDING}
    try:
        check_answers(address)
        ray.init(
            address,
            runtime_env={"env_vars": cluster_environment()},
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cluster.address={address}: no Ray cluster to join ({one_line(error)[:300]}); start one with `ray start "
            "--head`, join it on each further machine with `ray start --address=HOST:PORT`, or set cluster=local"
        ) from None
    finally:
        for signum, handler in handlers.items():  # Ray takes SIGTERM for itself
            signal.signal(signum, handler)


def check_answers(address: str) -> None:
    """Check that something listens where the cluster should be; Ray itself tries for minutes.

    Raises:
        ConnectionError: nothing does.
        ValueError: the address is not HOST:PORT.
    """
    found = cluster_address(address)
    if found is None:
        raise ConnectionError("none is known on this machine")
    host, separator, port = found.rpartition(":")
    if not (separator and port.isdigit()):
        raise ValueError(f"{found} is not HOST:PORT")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"{found}: {error}") from None
