"""Journals whose process is gone: the next tracked run sends them, each to its own store."""

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sprout.tracking.address import hide_password
from sprout.tracking.connection import connect, reason
from sprout.tracking.describe import store_of
from sprout.tracking.outbox.deliver import end_run, open_run, send
from sprout.tracking.outbox.journal import count_waiting, discard, has_end, read_records, try_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

LATER = "by the next tracked run or by `sprout outbox --send`"


def send_leftovers(folders: Iterable[Path], stop: Event) -> None:
    """Send each journal that no living process holds, until `stop` is set.

    One that cannot be sent stays, and a line on stderr says so.
    """
    unreachable: set[str] = set()
    for folder in folders:
        lock = None if stop.is_set() else try_lock(folder)
        if lock is None:
            continue
        try:
            sent_by_another = not (folder / "journal.jsonl").is_file()
            if sent_by_another or _send(folder, unreachable, stop):
                discard(folder)
        except Exception as error:  # one journal must not keep the others back
            why = reason(error, uri_of(folder))
            print_line(
                f"{folder} cannot be sent now ({why}); it is kept; `sprout outbox` sends it elsewhere or drops it"
            )
        finally:
            lock.release()


def _send(folder: Path, unreachable: set[str], stop: Event) -> bool:
    """Send a dead process's journal; a run without an end was killed, at the time of its last record.

    Args:
        folder: of the journal.
        unreachable: stores that did not answer; a new one is added.
        stop: ends the sending after the records that are under way.

    Returns:
        Whether the journal is done with.
    """
    start, _ = next(read_records(folder, 0), (None, 0))
    if start is None:
        return True  # killed before its first record
    uri = store_of(start)
    client = None if uri in unreachable else _try_connect(folder, uri)
    if client is None:
        unreachable.add(uri)
        return False
    run = open_run(client, uri, folder)
    if run is not None:
        if not send(client, folder, run, stop):
            return False
        if not has_end(folder):
            last_write = int((folder / "journal.jsonl").stat().st_mtime * 1000)
            end_run(client, run, {"status": "KILLED", "reason": "the process died", "time": last_write})
    return True


def _try_connect(folder: Path, uri: str) -> "MlflowClient | None":
    """A client of the store; None, with a line on stderr, if it does not answer."""
    try:
        return connect(uri)
    except Exception as error:  # MLflow raises many types
        print_kept(folder.parent, uri, error)
        return None


def uri_of(folder: Path) -> str:
    """The URI of a journal's store; empty if the journal cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, StopIteration):
        return store_of(next(read_records(folder, 0))[0])
    return ""


def print_kept(outbox: Path, uri: str, error: Exception) -> None:
    """Print one line: the store cannot be used now, and the records are kept."""
    print_line(
        f"the tracking store {hide_password(uri, uri)} cannot be used now ({reason(error, uri)});"
        f" {count_waiting(outbox)} records are kept in {outbox} and sent once it can, at the latest {LATER}"
    )


def print_slow(uri: str, seconds: float) -> None:
    """Print one line: the end of the run still waits for the store."""
    print_line(f"the tracking store {hide_password(uri, uri)} is slow; the run's end waits {seconds:g} seconds at most")


def print_left(outbox: Path, uri: str) -> None:
    """Print one line: the process does not wait any longer for the store, and the records are kept."""
    print_line(
        f"the tracking store {hide_password(uri, uri)} has not taken all in time; {count_waiting(outbox)} records"
        f" are kept in {outbox} and sent {LATER}"
    )


def print_line(text: str) -> None:
    """Print one line on stderr."""
    print(f"sprout: {text}", file=sys.stderr, flush=True)
