"""Tasks run by processes of their own, a bounded number ahead, in order; no process outlives the block."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TypeVar

from sprout.data.prepare.worker import start_worker

T = TypeVar("T")
AHEAD = 3
"""Tasks in flight per process."""


def in_processes(tasks: Iterator[partial[T]], processes: int) -> Generator[T]:
    """Run tasks in processes of their own; results come in the tasks' order.

    Raises:
        RuntimeError: one of them was killed.
    """
    with pool(processes) as executor:
        running: deque[Future[T]] = deque()
        try:
            for task in tasks:
                with no_main_module():
                    running.append(executor.submit(task))
                if len(running) >= AHEAD * processes:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool:
            raise RuntimeError(
                "prepare: a process that decodes images was killed, most likely since memory ran out; "
                "give it more memory or fewer cores, or lower prepare.max_pixels"
            ) from None


@contextmanager
def pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are gone at the end of the block: at once, if it ends by an exception or a signal."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, start_worker, (os.getpid(),))
    try:
        yield executor
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def no_main_module() -> Iterator[None]:
    """Processes that start inside do not import the script that this one runs.

    `spawn` would import it in each of them, with all the libraries of the stage.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
