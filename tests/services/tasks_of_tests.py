"""Tasks that the processes of a cluster run for tests."""

import os
import time
from pathlib import Path


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
