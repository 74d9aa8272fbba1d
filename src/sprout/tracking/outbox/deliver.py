"""Sends a journal's records to MLflow. Each step can be repeated: what exists already is found, not doubled."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sprout.tracking.connection import experiment_id, store_lock
from sprout.tracking.deleted import DeletedError, deleted_run, refuse_deleted
from sprout.tracking.describe import describe
from sprout.tracking.last_run import note_last_run
from sprout.tracking.logged_model import log_model
from sprout.tracking.mlflow_runs import (
    WAITING,
    ended_after,
    find,
    find_or_create,
    find_or_create_build,
    open_in_sweep,
    reopen,
    set_tags,
    settle,
)
from sprout.tracking.outbox.journal import Record, forget_sent, mark_sent, read_records, sent_bytes
from sprout.tracking.outbox.metrics import BATCH, send_metrics
from sprout.tracking.registry.register import register
from sprout.tracking.tags import BUILD, KEY, REASON, RESTORED, ROLE
from sprout.tracking.views import save_view

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class OpenRun:
    """A journal's run in the store."""

    run_id: str
    experiment_id: str
    build_id: str | None
    """The build's run, which may be the run itself; None for a run that belongs to none."""
    builder: dict[str, str]
    """The tags that name the process which continues the build once the run has ended."""

    def with_build(self) -> set[str]:
        """The ids of the run and of its build's run."""
        return {self.run_id, self.build_id or self.run_id}


def open_run(client: "MlflowClient", uri: str, folder: Path) -> OpenRun | None:
    """Find or create the run of a journal, and its build's.

    A store that does not know the journal gets all of it: it was emptied, or the journal was meant for another one.

    Returns:
        None if the journal is of a restored stage and the build has a run of that role already.

    Raises:
        DeletedError: the experiment is deleted, or the run that has taken a part of the journal.
    """
    start, _ = next(read_records(folder, 0))
    key = {KEY: start["key"]}
    with store_lock(uri):
        experiment = experiment_id(client, uri, start["experiment"])
        if deleted := find(client, experiment, key, deleted=True):
            raise DeletedError(deleted_run(uri, deleted[0].info.run_id))
        if not find(client, experiment, key):
            forget_sent(folder)
        build = find_or_create_build(client, experiment, start) if start["nested"] and not start["sweep"] else None
        if build and RESTORED in start["tags"] and _has_other(client, experiment, build, start):
            return None
        if start["sweep"]:
            run_id = open_in_sweep(client, experiment, start)
        elif build and start["role"] == BUILD:
            run_id = build
        else:
            run_id = find_or_create(client, experiment, start, build)
        describe(client, run_id, start, start["origin"] | start["tags"])
        if build:
            describe(client, build, start, start["origin"])
            reopen(client, build, start)
        note_last_run(uri, run_id)
    return OpenRun(run_id, experiment, build, start["builder"])


def _has_other(client: "MlflowClient", experiment: str, build: str, start: Record) -> bool:
    """Whether the build has another run of this role that is finished or running."""
    tags = {"mlflow.parentRunId": build, ROLE: start["role"]}
    others = (run for run in find(client, experiment, tags) if run.data.tags[KEY] != start["key"])
    return any(run.info.status in ("FINISHED", "RUNNING") for run in others)


def send(client: "MlflowClient", folder: Path, run: OpenRun, stop: Event) -> bool:
    """Send the records of a journal that have not been sent yet, until `stop` is set.

    Returns:
        Whether all have been sent.

    Raises:
        DeletedError: the run, its build's or the experiment is deleted.
        Exception: the store refused or did not answer; MLflow raises many types.
    """
    for records, offset in _grouped(read_records(folder, sent_bytes(folder))):
        if stop.is_set():
            return False
        try:
            _send_group(client, folder, run, records)
        except Exception:
            refuse_deleted(client, client.tracking_uri, run.experiment_id, run.with_build())
            raise
        mark_sent(folder, offset)
    return True


def end_run(client: "MlflowClient", run: OpenRun, record: Record) -> None:
    """End the run with the record's status, and settle its build's, which only its own end makes FINISHED."""
    status, build = record["status"], run.build_id
    if record["reason"]:
        client.set_tag(run.run_id, REASON, record["reason"])
    if run.run_id != build and not ended_after(client, run.run_id, record["time"]):
        client.set_terminated(run.run_id, status, record["time"])
        status = WAITING if status == "FINISHED" else status
    if build is not None:
        builder = run.builder if status == WAITING else None
        settle(client, run.experiment_id, build, status, record["time"], builder)


def _grouped(records: Iterator[tuple[Record, int]]) -> Iterator[tuple[list[Record], int]]:
    """Consecutive metric records of the same model in batches, all others alone; each with the offset behind it."""
    group: list[Record] = []
    behind = size = 0
    for record, offset in records:
        count = len(record.get("values", ()))
        alike = bool(group) and group[0]["op"] == record["op"] == "metrics" and group[0].get("of") == record.get("of")
        if group and not (alike and size + count <= BATCH):
            yield group, behind
            group, size = [], 0
        group.append(record)
        behind, size = offset, size + count
    if group:
        yield group, behind


def _send_group(client: "MlflowClient", folder: Path, run: OpenRun, records: list[Record]) -> None:
    record = records[0]
    match record["op"]:
        case "start":
            pass  # open_run has sent it
        case "metrics":
            send_metrics(client, run.experiment_id, run.run_id, records)
        case "describe":
            text = linked(record, run.experiment_id, run.run_id)
            client.set_tag(run.run_id, "mlflow.note.content", text)
            if record["columns"]:
                save_view(client, run.experiment_id, record["columns"])
        case "tags":
            set_tags(client, run.run_id, record["values"])
        case "artifact":
            for run_id in run.with_build() if record["parent"] else {run.run_id}:
                client.log_artifact(run_id, str(folder / record["file"]), record["folder"])
        case "model":
            log_model(client, run.experiment_id, run.run_id, folder, record)
        case "register":
            register(client, run.experiment_id, run.run_id, folder, record)
        case "end":
            end_run(client, run, record)


def linked(record: Record, experiment: str, run: str) -> str:
    """The text of a description, with a link to the artifact that it names."""
    text, page = str(record["text"]), record["page"]
    return f"{text}\n\n[{page}](#/experiments/{experiment}/runs/{run}/artifacts/{page})" if page else text
