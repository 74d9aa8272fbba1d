"""Journals whose process is gone: sent by the next tracked run, to the store that they were meant for."""

import sys
from pathlib import Path

from sprout.tracking.connection import connect
from sprout.tracking.deliver import end, open_run, send
from sprout.tracking.journal import Record, count_waiting, discard, hold, read, waiting
from sprout.tracking.place import without_password


def send_leftovers(outbox: Path) -> None:
    """Sends every journal that no living process holds. What cannot be sent stays, and is said."""
    unreachable: set[str] = set()
    for folder in waiting(outbox):
        lock = hold(folder)
        if lock is None:
            continue
        try:
            start, _ = next(read(folder, 0), (None, 0))
            if start is None or _send(folder, start, unreachable):
                discard(folder)
        except FileNotFoundError:
            pass  # another process sent it before we got the lock
        finally:
            lock.release()


def _send(folder: Path, start: Record, unreachable: set[str]) -> bool:
    """Sends a dead run's journal; a run that does not say how it ended was killed, at its last word."""
    uri = start["uri"]
    if uri in unreachable:
        return False
    try:
        client = connect(uri)
        run = open_run(client, uri, start)
        if run is not None and not send(client, folder, run):
            last_word = int((folder / "journal.jsonl").stat().st_mtime * 1000)
            end(client, run, {"status": "KILLED", "reason": "the process died", "time": last_word})
    except FileNotFoundError:
        raise
    except Exception as error:  # as in the sender: one store must not keep the others' records
        say_kept(folder.parent, uri, error)
        unreachable.add(uri)
        return False
    return True


def say_kept(outbox: Path, uri: str, error: Exception) -> None:
    """Says in one line that a store takes nothing now, and that nothing is lost."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    print(
        f"sprout: the tracking store {without_password(uri)} takes nothing now ({reason});"
        f" {count_waiting(outbox)} records are kept in {outbox} and sent once it does,"
        " at the latest by the next tracked run",
        file=sys.stderr,
        flush=True,
    )
