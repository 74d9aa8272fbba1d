"""A call that comes back when it is done, and says nothing meanwhile."""

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from sprout.runtime.progress import SECONDS


@contextmanager
def in_one_go(what: str, threads: int) -> Iterator[None]:
    """Let scikit-learn compute on so many threads; a long computation is announced, and its end too.

    Args:
        what: said in front of the lines.
        threads: CPU threads.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    began = time.monotonic()
    announced = Timer(SECONDS, say, [f"{what}: computing, without a sign until it is done"])
    announced.daemon = True
    announced.start()
    try:
        with threadpool_limits(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said by whoever calls it, in one line
            yield
    finally:
        announced.cancel()
    if (took := time.monotonic() - began) > SECONDS:
        say(f"{what}: done in {took:.0f} s")


def say(line: str) -> None:
    """A line for whoever watches."""
    print(line, file=sys.stderr, flush=True)
