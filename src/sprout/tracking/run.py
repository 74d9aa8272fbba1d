"""Tracked runs: metrics, tags, files and models go to a journal, and from there to the store."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, SupportsFloat

import numpy as np

from sprout.predict.image_files import INPUTS
from sprout.runtime.checksums import renew_sum
from sprout.runtime.files import write_json
from sprout.runtime.progress import waiting
from sprout.runtime.secrets import hidden
from sprout.tracking.address import outbox
from sprout.tracking.connection import load_mlflow
from sprout.tracking.describe import EXPERIMENT_NAME, RunInfo, legal_key, now, start_record
from sprout.tracking.environment import environment_tags
from sprout.tracking.outbox.journal import Journal, Record
from sprout.tracking.outbox.sender import Sender
from sprout.tracking.tags import BUILD_TAG, RESTORED, ROLE

Metrics = Mapping[str, SupportsFloat | None]


class Measured(NamedTuple):
    """What a figure was measured of."""

    role: str
    """Of the logged model of the same build."""
    data: str
    """The path of the data."""


@dataclass(frozen=True)
class Candidate:
    """A build's model, as the model registry gets it."""

    role: str
    """teacher, control or student."""
    weights: str
    """SHA-256 of `model.safetensors`."""
    errors: Path | None
    """`val_errors.parquet`; None for a task whose models are not compared."""
    headline: str
    page: str
    """An artifact of the build's run to link to."""
    tags: Mapping[str, str]
    """Further tags of the version, for people."""


class Run:
    """Records a run. No method waits for the store; each may be called from any thread.

    If the journal cannot be written, one line on stderr says so, nothing more is recorded, and nothing is raised.
    """

    def __init__(self, journal: Journal, info: RunInfo) -> None:
        self._journal, self._role, self._build = journal, info.role, info.build
        self._breaking, self._broken = threading.Lock(), False

    def log_metrics(self, metrics: Metrics, step: int = 0, of: Measured | None = None) -> None:
        """Log figures; None is left out.

        Characters that MLflow refuses in a name become `_`.

        Args:
            metrics: name → value.
            step: MLflow's page draws a figure of step 0 as a bar, others as a curve.
            of: the logged model and the data that they belong to, which MLflow then links.
        """
        values = {legal_key(name): float(value) for name, value in metrics.items() if value is not None}
        link = {} if of is None else {"of": of._asdict()}
        self._write(lambda: {"op": "metrics", "time": now(), "step": step, "values": values, **link})

    def log_curves(self, metrics: Metrics, step: int) -> None:
        """Log a point of each curve, of an epoch, or of an optimizer step where the name begins with `step_`.

        They are named `epoch/…` and `step/…`, so that no figure of the finished model has the name of a curve.
        """
        named = {
            name.replace("step_", "step/", 1) if name.startswith("step_") else f"epoch/{name}": value
            for name, value in metrics.items()
        }
        self.log_metrics(named, step)

    def describe(self, text: str, page: str | None = None, columns: Sequence[str] = ()) -> None:
        """Set the run's description, in Markdown, which MLflow's page shows first.

        Args:
            text: begins with what matters, as a list of runs shows its first words.
            page: an artifact to link to.
            columns: metrics that the list of the experiment's runs shows from now on.
        """
        self._write(lambda: {"op": "describe", "text": text, "page": page, "columns": list(columns)})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run; an existing tag gets the new value."""
        self._write(lambda: {"op": "tags", "values": {legal_key(name): value for name, value in tags.items()}})

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a copy of a file into the artifact folder `folder`; None is the top."""
        self._write(lambda: _artifact(self._journal.keep(path), folder, parent=False))

    def log_model(self, folder: Path, input_example: np.ndarray, role: str | None = None) -> None:
        """Log a copy of a model folder as MLflow's logged model.

        Args:
            folder: as `sprout.models.card` writes it.
            input_example: (N, H, W, C) uint8 or (N, F) float32, as `model.json` says; the first is logged.
            role: of a model that a run of the same build may have logged already, which is then left; None: the run's.
        """
        self._write(lambda: self._model_record(folder, input_example[:1], role))

    def _model_record(self, folder: Path, example: np.ndarray, role: str | None) -> Record:
        kept = Path(self._journal.keep(folder))
        beside = kept.with_name("example.npy")
        np.save(self._journal.folder / beside, example, allow_pickle=False)
        if prepare := self._build.config.get("prepare"):
            write_json(self._journal.folder / kept / INPUTS, {key: prepare[key] for key in ("resize", "max_pixels")})
            renew_sum(self._journal.folder / kept, INPUTS)
        files = {"key": kept.parent.name, "file": str(kept), "example": str(beside)}
        tags = {BUILD_TAG: self._build.name, ROLE: role or self._role}
        return {"op": "model", "name": role or self._role, "tags": tags, "once": role is not None, **files}

    def register(self, candidate: Candidate) -> None:
        """Make a logged model of the build a version of the experiment's registered model."""
        self._write(
            lambda: {
                "op": "register",
                "role": candidate.role,
                "weights": candidate.weights,
                "errors": candidate.errors and self._journal.keep(candidate.errors),
                "headline": candidate.headline,
                "page": candidate.page,
                "tags": dict(candidate.tags),
            }
        )

    def _start(self, record: Record) -> bool:
        """Create the journal; return whether it took the record."""
        return self._try(lambda: self._journal.start(record))

    def _log_text(self, text: str, name: str) -> None:
        """Log a text as a file, to the run and to its build's."""
        self._write(lambda: _artifact(self._journal.keep_text(text, name), None, parent=True))

    def _write(self, make: Callable[[], Record]) -> bool:
        """Make a record, with the files that it names, and write it; return whether the journal took it."""
        return self._try(lambda: self._journal.write(make()))

    def _end(self, record: Record) -> bool:
        """Write the last record; return whether the journal took it."""
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
        print(
            f"sprout: {self._journal.folder.parent} cannot be written ({error}): nothing more of the {self._role}'s run"
            " is recorded; the work continues",
            file=sys.stderr,
            flush=True,
        )
        with contextlib.suppress(OSError):
            self._journal.close()


def _artifact(kept: str, folder: str | None, parent: bool) -> Record:
    return {"op": "artifact", "file": kept, "folder": folder, "parent": parent}


@contextlib.contextmanager
def tracked_run(info: RunInfo, *, waits: bool = True) -> Iterator[Run]:
    """Track the block as a run.

    The run ends FINISHED; FAILED if an `Exception` leaves the block; KILLED if anything else does (Ctrl-C, a signal).
    What has not been sent by then stays in the outbox for the next tracked run.

    Args:
        info: what the run is; the role `BUILD` makes the build's own run, for what concerns all of the build.
        waits: whether the end of the block waits until the store has taken everything; if not, use `all_sent`.
    """
    with waiting("importing MLflow"):
        load_mlflow()
    if number := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        print(f"sprout: MLFLOW_EXPERIMENT_ID={number}: is ignored; set {EXPERIMENT_NAME}", file=sys.stderr, flush=True)
    journal = Journal(outbox())
    run = Run(journal, info)
    sender = Sender(journal, info.uri, waits)
    if run._start(start_record(info)):
        sender.start()
    status, reason = "FINISHED", None
    try:
        run._log_text(info.build.config_text, "config.yaml")
        if info.git and info.git.diff:
            run._log_text(info.git.diff, "git.diff")
        yield run
        if RESTORED not in info.tags:  # it was made elsewhere
            run.set_tags(environment_tags())
    except BaseException as error:
        status, reason = _verdict(error)
        raise
    finally:
        end = {"op": "end", "time": now(), "status": status, "reason": reason}
        with waiting("sending the run to MLflow"):
            sender.end(unwritten=None if run._end(end) else end, hurried=status == "KILLED")


def _verdict(error: BaseException) -> tuple[str, str | None]:
    """The status of a run that this exception has ended, and the reason in one line."""
    reason = hidden(": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]]))[:500]
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "FINISHED", None
        by_signal = isinstance(error.code, int) and error.code >= 128  # as shells number them
        return "KILLED" if by_signal else "FAILED", reason
    return "FAILED" if isinstance(error, Exception) else "KILLED", reason
