"""A bounded pool of processes whose results come in order; none outlives the block that uses it."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TypeVar

from sprout.runtime.signals import die_with_parent

T = TypeVar("T")
AHEAD = 3
"""Tasks in flight per process."""


def in_processes(tasks: Iterator[partial[T]], processes: int) -> Generator[T]:
    """Run tasks in a pool of processes; yield their results in the order of the tasks.

    Raises:
        RuntimeError: a process of the pool was killed; says what to do if it was decoding images, as most tasks do.
    """
    with process_pool(processes) as executor:
        pending: deque[Future[T]] = deque()
        try:
            for task in tasks:
                with no_main_module():
                    pending.append(executor.submit(task))
                if len(pending) >= AHEAD * processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise RuntimeError(
                "a process was killed, most likely because memory ran out; give it more memory or "
                "fewer cores, or lower prepare.max_pixels"
            ) from None


@contextmanager
def process_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have ended when the block has; they are killed if it ends by an exception or a signal."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, start_process, (os.getpid(),))
    try:
        yield executor
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def start_process(parent: int) -> None:
    """Prepare a new process of the pool: it ends with its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent=parent)


@contextmanager
def no_main_module() -> Iterator[None]:
    """Keep processes that start inside from importing the script of this one.

    `spawn` would import it in each of them, with all libraries of the stage.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
