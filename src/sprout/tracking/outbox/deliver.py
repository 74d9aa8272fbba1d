"""Says a journal's records to MLflow. Every step may be repeated: what is there is found, not doubled."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.tracking.connection import experiment_id, store_lock
from sprout.tracking.describe import BUILD, RESTORED, describe
from sprout.tracking.logged_model import log_model
from sprout.tracking.outbox.journal import Record, mark_sent, read, sent
from sprout.tracking.parent import (
    REASON,
    WAITING,
    ended_after,
    find,
    find_or_create,
    find_or_create_parent,
    open_in_sweep,
    reopen,
    settle,
    tag,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # metrics; MLflow's limit for one request


@dataclass(frozen=True)
class OpenRun:
    """The run that a journal speaks of, in the store."""

    run_id: str
    experiment_id: str
    parent_id: str | None
    """The build's run, which may be the run itself; None for a run of its own."""
    builder: dict[str, str]
    """The tags that name the process which goes on with the build once the run has ended."""

    def ids(self) -> set[str]:
        """The run and its build's run."""
        return {self.run_id, self.parent_id or self.run_id}


def open_run(client: "MlflowClient", uri: str, start: Record) -> OpenRun | None:
    """Find or create the run of a journal's first record, and its parent.

    None where the record is of a restored stage and the build has a run of that role already.
    """
    with store_lock(uri):
        experiment = experiment_id(client, uri, start["experiment"])
        if start["sweep"]:
            run = OpenRun(open_in_sweep(client, experiment, start), experiment, None, start["builder"])
            describe(client, run.run_id, start, start["origin"] | start["tags"])
            return run
        parent = find_or_create_parent(client, experiment, start) if start["nested"] else None
        if parent and RESTORED in start["tags"] and _has_other(client, experiment, parent, start):
            return None
        if parent and start["role"] == BUILD:
            run = OpenRun(parent, experiment, parent, start["builder"])
        else:
            run = OpenRun(find_or_create(client, experiment, start, parent), experiment, parent, start["builder"])
        describe(client, run.run_id, start, start["origin"] | start["tags"])
        if parent:
            describe(client, parent, start, start["origin"])
            reopen(client, parent, start)
    return run


def _has_other(client: "MlflowClient", experiment: str, parent: str, start: Record) -> bool:
    tags = {"mlflow.parentRunId": parent, "sprout.role": start["role"]}
    found = (run for run in find(client, experiment, tags) if run.data.tags["sprout.key"] != start["key"])
    return any(run.info.status in ("FINISHED", "RUNNING") for run in found)


def send(client: "MlflowClient", folder: Path, run: OpenRun) -> None:
    """Send what the journal holds beyond what was sent before."""
    for records, offset in _grouped(read(folder, sent(folder))):
        _send_group(client, folder, run, records)
        mark_sent(folder, offset)


def end(client: "MlflowClient", run: OpenRun, record: Record) -> None:
    """End the run with the record's status, and settle its build's, which only its own end makes FINISHED."""
    status, parent = record["status"], run.parent_id
    if record["reason"]:
        client.set_tag(run.run_id, REASON, record["reason"])
    if run.run_id != parent and not ended_after(client, run.run_id, record["time"]):
        client.set_terminated(run.run_id, status, record["time"])
        status = WAITING if status == "FINISHED" else status
    if parent is not None:
        builder = run.builder if status == WAITING else None
        settle(client, run.experiment_id, parent, status, record["time"], builder)


def _grouped(records: Iterator[tuple[Record, int]]) -> Iterator[tuple[list[Record], int]]:
    """Neighbouring metric records together, up to a batch; every other record alone."""
    group: list[Record] = []
    behind = size = 0
    for record, offset in records:
        count = len(record.get("values", ()))
        if group and not (group[0]["op"] == record["op"] == "metrics" and size + count <= BATCH):
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
            pass  # open_run has done it
        case "metrics":
            _send_metrics(client, run.run_id, records)
        case "tags":
            tag(client, run.run_id, record["values"])
        case "artifact":
            for run_id in run.ids() if record["parent"] else {run.run_id}:
                client.log_artifact(run_id, str(folder / record["file"]), record["folder"])
        case "model":
            log_model(client, run.experiment_id, run.run_id, folder, record)
        case "end":
            end(client, run, record)


def _send_metrics(client: "MlflowClient", run_id: str, records: list[Record]) -> None:
    from mlflow.entities import Metric

    metrics = (Metric(k, v, r["time"], r["step"]) for r in records for k, v in r["values"].items())
    while batch := list(islice(metrics, BATCH)):
        client.log_batch(run_id, metrics=batch)
