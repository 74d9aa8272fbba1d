"""A tracked run, as the code that is tracked sees it."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import SupportsFloat

import numpy as np

from sprout.config.workspace import Build
from sprout.tracking.connection import load_mlflow, outbox
from sprout.tracking.describe import BUILD, BUILD_TAG, InSweep, legal_key, now, start_record
from sprout.tracking.lineage import GitState
from sprout.tracking.outbox.journal import Journal, Record
from sprout.tracking.outbox.sender import Sender


class Run:
    """Takes down what a run says. No method waits for the store; all may be called from any thread.

    Where the disk refuses the journal, that is said once, and nothing more is taken down; nothing is raised.
    """

    def __init__(self, journal: Journal, role: str, tags: Mapping[str, str]) -> None:
        self._journal, self._role, self._tags = journal, role, dict(tags)
        self._breaking, self._broken = threading.Lock(), False

    def log_metrics(self, metrics: Mapping[str, SupportsFloat | None], step: int = 0) -> None:
        """Note metrics of one step (an epoch, say); what is not known, None, is left out.

        Characters that MLflow refuses in a name become `_`.
        """
        values = {legal_key(name): float(value) for name, value in metrics.items() if value is not None}
        self._write(lambda: {"op": "metrics", "time": now(), "step": step, "values": values})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the run; a tag that is there gets the new value."""
        self._write(lambda: {"op": "tags", "values": {legal_key(name): value for name, value in tags.items()}})

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run, as it is now, in the artifact folder `folder`; None is the top."""
        self._write(lambda: _artifact(self._journal.keep(path), folder, parent=False))

    def log_model(self, folder: Path, input_example: np.ndarray) -> None:
        """Keep a model (`model.safetensors`, `model.json`), as it is now, as a logged model of MLflow.

        Args:
            folder: as `sprout.models.card` writes it.
            input_example: (N, H, W, C) uint8 or (N, F) float32, as `model.json` says; the first is kept.
        """
        self._write(lambda: self._model(folder, input_example[:1]))

    def _model(self, folder: Path, example: np.ndarray) -> Record:
        kept = Path(self._journal.keep(folder))
        beside = kept.with_name("example.npy")
        np.save(self._journal.folder / beside, example, allow_pickle=False)
        files = {"key": kept.parent.name, "file": str(kept), "example": str(beside)}
        return {"op": "model", "name": self._role, "tags": self._tags, **files}

    def _start(self, record: Record) -> bool:
        """Begin the journal; whether it took the record."""
        return self._try(lambda: self._journal.start(record))

    def _text(self, text: str, name: str) -> None:
        """Keep a text with the run and with its build's."""
        self._write(lambda: _artifact(self._journal.keep_text(text, name), None, parent=True))

    def _write(self, make: Callable[[], Record]) -> bool:
        """Make a record, with the files that it names, and write it; whether the journal took it."""
        return self._try(lambda: self._journal.write(make()))

    def _end(self, record: Record) -> bool:
        """Write the last record; whether the journal took it."""
        return self._write(lambda: record) and self._try(self._journal.close)

    def _try(self, act: Callable[[], None]) -> bool:
        if self._broken:
            return False
        try:
            act()
        except OSError as error:
            self._break(error)
        return not self._broken

    def _break(self, error: OSError) -> None:
        with self._breaking:
            if self._broken:
                return
            self._broken = True
        lost = f"what the {self._role}'s run says from here on is lost; the work itself goes on"
        place = self._journal.folder.parent
        print(f"sprout: {place} cannot be written ({error}): {lost}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            self._journal.close()


def _artifact(kept: str, folder: str | None, parent: bool) -> Record:
    return {"op": "artifact", "file": kept, "folder": folder, "parent": parent}


@contextlib.contextmanager
def tracked_run(
    build: Build,
    role: str,
    uri: str,
    data: Mapping[str, str] | None = None,
    git: GitState | None = None,
    tags: Mapping[str, str] | None = None,
    nested: bool = True,
    name: str | None = None,
    sweep: InSweep | None = None,
    waits: bool = True,
) -> Iterator[Run]:
    """Track the block as a run in the store at `uri`: of a stage of the build, or one of its own.

    The run ends FINISHED, FAILED where an `Exception` leaves the block, KILLED where anything else does
    (Ctrl-C, a signal). What could not be sent by then lies in the outbox for the next tracked run.

    Args:
        build: what is built; its settings become the run's params.
        role: what the run is to the build: teacher, student, train; its name.
        uri: as `tracking_uri` gives it.
        data: the paths that the run reads, with DVC's hashes.
        git: the state of the code.
        tags: further tags.
        nested: whether it stands under the build's run.
        name: of the run, if not its role.
        sweep: the sweep that it belongs to, as the sweep's own run or under that; it is then not nested elsewhere.
        waits: whether the block's end waits until the store has taken all; if not, `all_sent` is to do so.
    """
    load_mlflow()
    journal = Journal(outbox())
    run, sender = Run(journal, role, {BUILD_TAG: build.name, "sprout.role": role}), Sender(journal, uri, waits)
    if run._start(start_record(build, role, uri, data or {}, git, tags or {}, nested, name, sweep)):
        sender.start()
    status, reason = "FINISHED", None
    try:
        run._text(build.config_text, "config.yaml")
        if git and git.diff:
            run._text(git.diff, "git.diff")
        yield run
    except BaseException as error:
        status, reason = _verdict(error)
        raise
    finally:
        end = {"op": "end", "time": now(), "status": status, "reason": reason}
        sender.end(unwritten=None if run._end(end) else end, hurried=status == "KILLED")


def build_run(
    build: Build,
    uri: str,
    data: Mapping[str, str] | None = None,
    git: GitState | None = None,
    tags: Mapping[str, str] | None = None,
) -> contextlib.AbstractContextManager[Run]:
    """Track the block in the run of the build itself: for what concerns all of it, as the test metrics do."""
    return tracked_run(build, BUILD, uri, data, git, tags)


def _verdict(error: BaseException) -> tuple[str, str | None]:
    """How a run ends that this has left: its status, and why in one line."""
    reason = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])[:500]
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "FINISHED", None
        by_signal = isinstance(error.code, int) and error.code >= 128  # as shells number them
        return "KILLED" if by_signal else "FAILED", reason
    return "FAILED" if isinstance(error, Exception) else "KILLED", reason
