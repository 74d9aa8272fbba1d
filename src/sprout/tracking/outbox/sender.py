"""Sends a journal to its store in the background, after the journals that dead processes left in the outbox."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sprout.tracking.connection import connect
from sprout.tracking.last_run import warn_if_forgotten
from sprout.tracking.mlflow_runs import end_orphans
from sprout.tracking.outbox.deliver import OpenRun, end_run, open_run, send
from sprout.tracking.outbox.journal import Journal, Record, discard, waiting_journals
from sprout.tracking.outbox.leftovers import print_kept, print_left, print_slow, send_leftovers

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL = 2.0
"""Seconds between two batches."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until the next try after a failure; each pause is twice as long as the one before."""
PATIENCE = 4.0
"""Seconds that the end of a run waits for a store that has failed or that an earlier run has waited for in vain, or the
end of a killed run for any store."""
QUIET, LONGEST = 10.0, 30.0
"""Seconds that the end of a run waits for any other store: without a word, and in all."""


class Sender(threading.Thread):
    """Sends a journal as it grows, until the run's end has been sent or nobody waits any longer."""

    def __init__(self, journal: Journal, uri: str, waits: bool) -> None:
        """Prepare the thread.

        Args:
            journal: of one run.
            uri: of the store.
            waits: whether the end of the run waits until its journal has been sent. If not, it waits for the journals
                of earlier runs of this process, so that only one at a time is unsent.
        """
        super().__init__(name="sprout-tracking", daemon=True)
        self._journal, self._uri, self._waits = journal, uri, waits
        self._client: MlflowClient | None = None
        self._open: OpenRun | None = None
        self._unwritten: Record | None = None
        self._failed = self._printed = False
        self._ended = threading.Event()  # nothing more will be written
        self._given_up = threading.Event()

    def end(self, unwritten: Record | None, hurried: bool) -> None:
        """Take note that nothing more will be written, and wait as `waits` says.

        Args:
            unwritten: the record of the run's end, if the journal could not take it.
            hurried: see `wait`.
        """
        self._unwritten = unwritten
        if self._waits:
            self._ended.set()
            self.wait(hurried)
        else:
            wait_for_ended(hurried)
            self._ended.set()

    def wait(self, hurried: bool) -> None:
        """Wait until everything has been sent, but not longer than `LONGEST` or `PATIENCE`; what is left is said.

        Args:
            hurried: wait at most `PATIENCE` seconds in any case, as the process has been asked to end.
        """
        began, quiet = time.monotonic(), True
        hurried = hurried or any(each._given_up.is_set() for each in senders())
        while self.is_alive():
            waited = time.monotonic() - began
            if waited > (PATIENCE if hurried or self._failed else LONGEST):
                break
            if quiet and waited > QUIET:
                quiet = False
                print_slow(self._uri, LONGEST)
            self.join(0.05)
        self._given_up.set()
        if self.is_alive() and not self._printed:
            self._printed = True
            print_left(self._journal.folder.parent, self._uri)

    def run(self) -> None:
        """The thread's loop; it pauses longer after each failure."""
        pause = FIRST_PAUSE
        try:
            while not self._given_up.is_set():
                try:
                    if self._send():
                        discard(self._journal.folder)
                        return
                    self._failed, pause = False, FIRST_PAUSE
                    self._ended.wait(INTERVAL)
                except Exception as error:  # whatever MLflow raises, the training continues
                    self._open = None  # the run may be deleted for good, and begins anew then
                    self._fail(error)
                    (self._given_up if self._ended.is_set() else self._ended).wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._journal.lock.release()

    def _send(self) -> bool:
        """Send what has been written; return whether that includes the run's end."""
        outbox = self._journal.folder.parent
        if self._client is None:
            client = connect(self._uri)
            warn_if_forgotten(client, self._uri)
            send_leftovers(waiting_journals(outbox), self._given_up)
            end_orphans(client, outbox)
            self._client = client
        if self._open is None:
            self._open = open_run(self._client, self._uri, self._journal.folder)
        final = self._ended.is_set()  # read before sending: the end may be written meanwhile
        if self._open is not None:
            if not send(self._client, self._journal.folder, self._open, self._given_up):
                return False
            if final and self._unwritten:
                end_run(self._client, self._open, self._unwritten)
        if final:
            send_leftovers(
                waiting_journals(outbox), self._given_up
            )  # of processes that died meanwhile, such as a sweep's workers
        return final

    def _fail(self, error: Exception) -> None:
        if not self._printed:
            print_kept(self._journal.folder.parent, self._uri, error)
        self._failed = self._printed = True  # only after the line: the run's end may be waiting for this


@contextmanager
def all_sent() -> Iterator[None]:
    """At the end of the block, wait for the runs of this process that have ended but did not wait for the store."""
    hurried = False
    try:
        yield
    except BaseException:
        hurried = True
        raise
    finally:
        wait_for_ended(hurried)


def wait_for_ended(hurried: bool) -> None:
    """Wait for the senders of runs that have ended, unless their time is over; see `Sender.wait`."""
    for sender in senders():
        if sender._ended.is_set() and not sender._given_up.is_set():
            sender.wait(hurried)


def senders() -> "list[Sender]":
    """The senders of this process that still run."""
    return [thread for thread in threading.enumerate() if isinstance(thread, Sender)]
