"""Journals whose process is gone: the next tracked run sends them, each to its own store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.tracking.address import hide_password
from sprout.tracking.connection import connect, reason
from sprout.tracking.describe import store_of
from sprout.tracking.outbox.deliver import end_run, open_run, send
from sprout.tracking.outbox.journal import count_waiting, discard, has_end, read_records, try_lock, waiting_journals

if TYPE_CHECKING:
    from mlflow import MlflowClient


def send_leftovers(outbox: Path) -> None:
    """Send each journal that no living process holds. One that cannot be sent stays, and a line on stderr says so."""
    unreachable: set[str] = set()
    for folder in waiting_journals(outbox):
        lock = try_lock(folder)
        if lock is None:
            continue
        try:
            sent_by_another = not (folder / "journal.jsonl").is_file()
            if sent_by_another or _send(folder, unreachable):
                discard(folder)
        except Exception as error:  # one journal must not keep the others back
            print(f"sprout: {folder} cannot be sent now ({reason(error, '')}); it is kept", file=sys.stderr, flush=True)
        finally:
            lock.release()


def _send(folder: Path, unreachable: set[str]) -> bool:
    """Send a dead process's journal; a run without an end was killed, at the time of its last record.

    Args:
        folder: of the journal.
        unreachable: stores that did not answer; a new one is added.

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
    run = open_run(client, uri, start)
    if run is not None:
        send(client, folder, run)
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


def print_kept(outbox: Path, uri: str, error: Exception) -> None:
    """Print one line: the store cannot be used now, and the records are kept."""
    print(
        f"sprout: the tracking store {hide_password(uri, uri)} cannot be used now ({reason(error, uri)});"
        f" {count_waiting(outbox)} records are kept in {outbox} and sent once it can,"
        " at the latest by the next tracked run",
        file=sys.stderr,
        flush=True,
    )
