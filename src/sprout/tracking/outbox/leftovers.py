"""Journals whose process is gone: sent by the next tracked run, to the store that they were meant for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.tracking.connection import connect, hide_password
from sprout.tracking.outbox.deliver import end, open_run, send
from sprout.tracking.outbox.journal import count_waiting, discard, ended, hold, read, waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient


def send_leftovers(outbox: Path) -> None:
    """Send every journal that no living process holds. What cannot be sent stays, and is said."""
    unreachable: set[str] = set()
    for folder in waiting(outbox):
        lock = hold(folder)
        if lock is None:
            continue
        try:
            sent_by_another = not (folder / "journal.jsonl").is_file()
            if sent_by_another or _send(folder, unreachable):
                discard(folder)
        except Exception as error:  # one journal must not keep the others back
            print(f"sprout: {folder} cannot be sent now ({error}); it is kept", file=sys.stderr, flush=True)
        finally:
            lock.release()


def _send(folder: Path, unreachable: set[str]) -> bool:
    """Send a dead run's journal; a run that does not say how it ended was killed, at its last word."""
    start, _ = next(read(folder, 0), (None, 0))
    if start is None:
        return True  # killed before its first word
    client = None if start["uri"] in unreachable else _connect(folder, start["uri"])
    if client is None:
        unreachable.add(start["uri"])
        return False
    run = open_run(client, start["uri"], start)
    if run is not None:
        send(client, folder, run)
        if not ended(folder):
            last_word = int((folder / "journal.jsonl").stat().st_mtime * 1000)
            end(client, run, {"status": "KILLED", "reason": "the process died", "time": last_word})
    return True


def _connect(folder: Path, uri: str) -> "MlflowClient | None":
    """A client of the store; None, and said, where it does not answer."""
    try:
        return connect(uri)
    except Exception as error:  # whatever a broken store raises
        say_kept(folder.parent, uri, error)
        return None


def say_kept(outbox: Path, uri: str, error: Exception) -> None:
    """Say in one line that a store cannot be used now, and that nothing is lost."""
    reason = hide_password(str(error).strip() or type(error).__name__, uri).splitlines()[0][:200]
    print(
        f"sprout: the tracking store {hide_password(uri, uri)} cannot be used now ({reason});"
        f" {count_waiting(outbox)} records are kept in {outbox} and sent once it can,"
        " at the latest by the next tracked run",
        file=sys.stderr,
        flush=True,
    )
