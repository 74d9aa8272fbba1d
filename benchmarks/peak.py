"""The anonymous memory of this process while a block runs (`RssAnon` in /proc/self/status; Linux only)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 0.02


@contextmanager
def record_memory() -> Iterator[list[float]]:
    """Record the anonymous memory of this process in MiB, 50 times a second, while the block runs."""
    samples, ended = [anonymous()], threading.Event()

    def sample() -> None:
        while not ended.wait(SECONDS):
            samples.append(anonymous())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def anonymous() -> float:
    """Return the memory of this process that is not backed by a file, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return int(kilobytes) / 1024
