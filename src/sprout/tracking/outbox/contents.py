"""What is in the outbox, and what a user may do with it: send it now, send it elsewhere, drop it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from sprout.runtime.errors import UserError, listed
from sprout.runtime.files import atomic_write
from sprout.tracking.address import NAMED, absolute, hide_password, outbox, portable
from sprout.tracking.connection import connect, reason
from sprout.tracking.outbox.journal import count_unsent, discard, forget_sent, read_records, try_lock, waiting_journals
from sprout.tracking.outbox.leftovers import send_leftovers, uri_of


@dataclass(frozen=True)
class Waiting:
    """A journal in the outbox."""

    key: str
    """The name of its folder."""
    experiment: str
    """Of MLflow; as `run`, empty where the journal cannot be read."""
    run: str
    """The run's name."""
    unsent: int
    """The number of records that the store has not taken."""
    store: str
    """Its URI without a password, relative to the workspace where the store lies in it."""
    in_use: bool
    """Whether a living process writes or sends it."""


def waiting() -> list[Waiting]:
    """The journals in the outbox, oldest first."""
    return [_describe(folder) for folder in waiting_journals(outbox())]


def _describe(folder: Path) -> Waiting:
    uri = uri_of(folder)
    start = next(read_records(folder, 0))[0] if uri else {}
    lock = try_lock(folder)
    if lock is not None:
        lock.release()
    store = portable(hide_password(uri, uri))
    run = (start.get("experiment", ""), start.get("name", ""))
    return Waiting(folder.name, *run, count_unsent(folder), store, in_use=lock is None)


def find_journals(keys: Sequence[str]) -> list[Path]:
    """The folders of these journals; without keys, of all.

    Raises:
        UserError: there is no such journal.
    """
    folders = {folder.name: folder for folder in waiting_journals(outbox())}
    if missing := [key for key in keys if key not in folders]:
        raise UserError(f"{missing[0]}: no journal in {outbox()}; accepted: {listed(list(folders)) or 'it is empty'}")
    return [folders[key] for key in keys] or list(folders.values())


def send_now(folders: Sequence[Path]) -> list[Path]:
    """Send journals, however long it takes; lines on stderr name what cannot be sent. Return those that are left."""
    send_leftovers(folders, Event())
    return [folder for folder in folders if folder.exists()]


def redirect(folders: Sequence[Path], uri: str) -> None:
    """Let journals be for another store, which gets all of them; nothing changes if one cannot go there.

    This process can send them: a journal keeps no password.

    Raises:
        UserError: the store cannot be used, a living process uses a journal, or one cannot be read.
    """
    store = absolute(uri)
    try:
        connect(store)
    except Exception as error:  # MLflow raises many types
        raise UserError(f"--to={hide_password(uri, uri)}: cannot be used: {reason(error, store)}") from None
    NAMED.append(store)
    with ExitStack() as locks:
        for folder in folders:
            locks.enter_context(_held(folder))
            if not uri_of(folder):
                raise UserError(f"{folder / 'journal.jsonl'}: cannot be read, so it goes to no store; drop it")
        for folder in folders:
            first, _, rest = (folder / "journal.jsonl").read_bytes().partition(b"\n")
            start = {**json.loads(first), "store": portable(store)}
            forget_sent(folder)
            with atomic_write(folder / "journal.jsonl") as beside:
                beside.write_bytes(json.dumps(start, ensure_ascii=False).encode() + b"\n" + rest)


def drop(folder: Path) -> None:
    """Remove a journal for good.

    Raises:
        UserError: a living process uses it.
    """
    with _held(folder):
        discard(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = try_lock(folder)
    if lock is None:
        raise UserError(f"{folder}: a running process uses it; wait for its end")
    try:
        yield
    finally:
        lock.release()
