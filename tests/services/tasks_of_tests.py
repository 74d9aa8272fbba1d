"""Tasks that the processes of a cluster run for tests."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch


def square(number: int) -> int:
    return number * number


def fails(number: int, at: int) -> int:
    if number == at:
        raise ValueError(f"number {number}")
    return number


def waits(number: int, started: str, go: str) -> int:
    """Say that the task has started, and wait for a file."""
    Path(started, f"{number}-{os.getpid()}").touch()
    while not Path(go).exists():
        time.sleep(0.02)
    return number


def dies(number: int, at: int, seen: str) -> int:
    """End the whole process at one number, each time."""
    if number == at:
        with Path(seen).open("a") as file:
            file.write("x")
        os._exit(9)
    return number


def held(task: partial[Any], started: str, go: str) -> Any:
    """Run a task that writes a file; before the file gets its name, say so, and wait for another one."""
    replace = Path.replace

    def slow(path: Path, target: Path) -> Path:
        waits(0, started, go)
        return replace(path, target)

    with patch.object(Path, "replace", slow):
        return task()


def with_variables(task: partial[Any], variables: dict[str, str]) -> Any:
    """Run a task in a process that has these variables from now on."""
    os.environ.update(variables)
    return task()


def threads_and_folder() -> tuple[int, str]:
    """The threads of torch, and the working folder."""
    import torch

    return torch.get_num_threads(), os.getcwd()


def capability() -> str:
    """What torch computes with."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


def where(seconds: float) -> str:
    """The address of this machine, after so many seconds."""
    import ray

    time.sleep(seconds)
    util: Any = ray.util
    return str(util.get_node_ip_address())
