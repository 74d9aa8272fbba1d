"""Sends a journal to its store in the background, after whatever older journals the outbox still holds."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sprout.tracking.connection import connect
from sprout.tracking.outbox.deliver import OpenRun, end, open_run, send
from sprout.tracking.outbox.journal import Journal, Record, discard, read
from sprout.tracking.outbox.leftovers import say_kept, send_leftovers
from sprout.tracking.reap import reap

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL = 2.0  # seconds between two batches
PAUSES = (1.0, 60.0)  # seconds before the next try after a failure: the first time, at most
PATIENCE = 4.0  # seconds that a run's end waits for a store that has failed, or a killed run's for any


class Sender(threading.Thread):
    """Sends a journal as it grows. Ends when the run's end has been sent, or when nobody waits any longer."""

    def __init__(self, journal: Journal, uri: str, waited_for: bool) -> None:
        """Take the journal.

        Args:
            journal: of one run.
            uri: of the store.
            waited_for: whether the run's end waits for this journal; if not, it waits for those of earlier runs, so
                that no more than one is behind.
        """
        super().__init__(name="sprout-tracking", daemon=True)
        self._journal, self._uri, self._waited_for = journal, uri, waited_for
        self._client: MlflowClient | None = None
        self._open: OpenRun | None = None
        self._unwritten: Record | None = None
        self._failed = self._said = False
        self._ended = threading.Event()  # nothing more will be written
        self._given_up = threading.Event()

    def end(self, unwritten: Record | None, hurried: bool) -> None:
        """Nothing more will be written; waits for what is to be waited for.

        Args:
            unwritten: the run's end, where the journal could not take it.
            hurried: as for `wait`.
        """
        self._unwritten = unwritten
        if self._waited_for:
            self._ended.set()
            self.wait(hurried)
        else:
            wait_for_ended(hurried)
            self._ended.set()

    def wait(self, hurried: bool) -> None:
        """Wait until all is sent: as long as it goes on, but `PATIENCE` seconds once the store has failed.

        Args:
            hurried: the process was told to die, so wait no longer than that in any case.
        """
        deadline = time.monotonic() + PATIENCE
        while self.is_alive() and not ((hurried or self._failed) and time.monotonic() > deadline):
            self.join(0.05)
        self._given_up.set()

    def run(self) -> None:
        """The thread: tries until it is done, pausing longer after each failure."""
        pause = PAUSES[0]
        try:
            while not self._given_up.is_set():
                try:
                    if self._send():
                        discard(self._journal.folder)
                        return
                    self._failed, pause = False, PAUSES[0]
                    self._ended.wait(INTERVAL)
                except Exception as error:  # whatever a broken store raises, the training goes on
                    self._fail(error)
                    (self._given_up if self._ended.is_set() else self._ended).wait(pause)
                    pause = min(2 * pause, PAUSES[1])
        finally:
            self._journal.lock.release()

    def _send(self) -> bool:
        """Send what there is. True once the run's end has been sent."""
        if self._client is None:
            client = connect(self._uri)
            send_leftovers(self._journal.folder.parent)
            reap(client, self._journal.folder.parent)
            self._client = client
        if self._open is None:
            start, _ = next(read(self._journal.folder, 0))
            self._open = open_run(self._client, self._uri, start)
        final = self._ended.is_set()  # asked before sending: the end may be written meanwhile
        if self._open is not None:
            send(self._client, self._journal.folder, self._open)
            if final and self._unwritten:
                end(self._client, self._open, self._unwritten)
        if final:
            send_leftovers(self._journal.folder.parent)  # of processes that died meanwhile, as a sweep's workers may
        return final

    def _fail(self, error: Exception) -> None:
        if not self._said:
            say_kept(self._journal.folder.parent, self._uri, error)
        self._failed = self._said = True  # once it is said: the run's end may wait for just this


@contextmanager
def all_sent() -> Iterator[None]:
    """The end of the block waits for the runs that have ended in this process and were not waited for then."""
    hurried = False
    try:
        yield
    except BaseException:
        hurried = True
        raise
    finally:
        wait_for_ended(hurried)


def wait_for_ended(hurried: bool) -> None:
    """Wait for the senders of runs that have ended."""
    for thread in threading.enumerate():
        if isinstance(thread, Sender) and thread._ended.is_set():
            thread.wait(hurried)
