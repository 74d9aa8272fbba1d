"""Runs in the store: found or created, reopened, and ended, with the builds and sweeps that they belong to.

A build's own run has the status of the last of its runs that ended. Between two stages it is `WAITING`, owned by the
process that will start the next one.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.tracking.deleted import deleted_run
from sprout.tracking.describe import now
from sprout.tracking.outbox.journal import Record
from sprout.tracking.tags import (
    BUILD,
    BUILD_TAG,
    EVALUATED,
    KEY,
    LAST_END,
    REASON,
    ROLE,
    SWEEP,
    SWEEP_TAG,
    is_owner_alive,
    machine_tags,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

WAITING = "SCHEDULED"
"""MLflow's status for a build between two stages."""


def find(
    client: "MlflowClient", experiment: str, tags: dict[str, str], status: str | None = None, *, deleted: bool = False
) -> "list[MlflowRun]":
    """The runs of an experiment that have these tags and this status, oldest first: the deleted ones or the others."""
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    terms = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    terms += [f"attributes.status = '{status}'"] if status else []
    return list(client.search_runs([experiment], " and ".join(terms), view, order_by=["attributes.start_time ASC"]))


def create(client: "MlflowClient", experiment: str, start: Record, tags: dict[str, str], name: str) -> str:
    """The id of a new run for a record, with the tags by which it is found again."""
    say_deleted(client, experiment, tags, name)
    tags = {**tags, KEY: start["key"], **start["owner"]}
    return str(client.create_run(experiment, start["time"], tags, name).info.run_id)


def say_deleted(client: "MlflowClient", experiment: str, tags: dict[str, str], name: str) -> None:
    """Name, on stderr, a deleted run with these tags, in whose place a new one begins."""
    if found := find(client, experiment, tags, deleted=True):
        said = deleted_run(client.tracking_uri, found[-1].info.run_id)
        print(f"sprout: a new run {name} begins, as {said}", file=sys.stderr, flush=True)


def find_or_create_build(client: "MlflowClient", experiment: str, start: Record) -> str:
    """The id of the run of the record's build."""
    tags = {BUILD_TAG: start["build"], ROLE: BUILD}
    if found := find(client, experiment, tags):
        return str(found[0].info.run_id)
    return create(client, experiment, start, tags, str(start.get("title", start["build"])))


def find_or_create(client: "MlflowClient", experiment: str, start: Record, parent: str | None) -> str:
    """The id of the record's own run, which its key names."""
    tags = {KEY: start["key"], ROLE: start["role"]}
    if found := find(client, experiment, tags):
        return str(found[0].info.run_id)
    tags |= {BUILD_TAG: start["build"], **start["owner"]}
    tags |= {"mlflow.parentRunId": parent} if parent else {}
    return str(client.create_run(experiment, start["time"], tags, start["name"]).info.run_id)


def open_in_sweep(client: "MlflowClient", experiment: str, start: Record) -> str:
    """The id of the record's run, marked as running: the sweep's own, or a trial's under it.

    The journal that arrives first creates the sweep's run: after an outage of the store that may be a trial's.
    """
    tags = {SWEEP_TAG: start["sweep"]["key"], ROLE: SWEEP}
    if found := find(client, experiment, tags):
        sweep = str(found[0].info.run_id)
    else:
        sweep = create(client, experiment, start, tags, start["sweep"]["name"])
    run = sweep if start["role"] == SWEEP else _find_or_create_trial(client, experiment, start, sweep)
    if not ended_after(client, run, start["time"]):
        reopen(client, run, start)
    return run


def _find_or_create_trial(client: "MlflowClient", experiment: str, start: Record, sweep: str) -> str:
    """The id of a trial's run; a trial that resumes has the same."""
    tags = {SWEEP_TAG: start["sweep"]["key"], ROLE: start["role"], "mlflow.runName": start["name"]}
    if found := find(client, experiment, tags):
        return str(found[0].info.run_id)
    say_deleted(client, experiment, tags, start["name"])
    return find_or_create(client, experiment, start, sweep)


def ended_after(client: "MlflowClient", run: str, time: int) -> bool:
    """Whether a run ended after this time, in ms: a journal may arrive late."""
    return (client.get_run(run).info.end_time or 0) > time


def reopen(client: "MlflowClient", run: str, start: Record) -> None:
    """Mark a run as running, owned by the process of the record."""
    set_tags(client, run, {**start["owner"], KEY: start["key"]})
    client.update_run(run, "RUNNING")
    if REASON in client.get_run(run).data.tags:
        client.delete_tag(run, REASON)


def set_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags on a run, in one request."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def settle(
    client: "MlflowClient",
    experiment: str,
    build: str,
    status: str,
    time: int,
    builder: Mapping[str, str] | None = None,
) -> None:
    """Set a build's status after one of its runs has ended, once none of them is running.

    Args:
        client: of the store.
        experiment: the build's experiment.
        build: the id of the build's run.
        status: the build's, according to the run that has ended.
        time: when it ended, in ms; a journal that arrives late does not override a later end.
        builder: the tags that name the process which a `WAITING` build waits for.
    """
    last = client.get_run(build).data.tags.get(LAST_END, "0 RUNNING").split()
    if time >= int(last[0]):
        last = [str(time), status]
        tags = {LAST_END: " ".join(last), **(builder or {})} | ({EVALUATED: "true"} if status == "FINISHED" else {})
        set_tags(client, build, tags)
    if find(client, experiment, {"mlflow.parentRunId": build}, "RUNNING"):
        return
    if last[1] == WAITING:
        client.update_run(build, WAITING)
    else:
        client.set_terminated(build, last[1], int(last[0]))


def end_orphans(client: "MlflowClient", outbox: Path) -> None:
    """End each run of this machine whose process has died, and each build that waits for a dead `dvc`.

    A run whose journal is still in the outbox is left out: the journal knows how the run ended.
    """
    for experiment in client.search_experiments():
        for status in ("RUNNING", WAITING):
            for run in find(client, str(experiment.experiment_id), machine_tags(), status):
                tags = run.data.tags
                if not is_owner_alive(tags) and not (outbox / tags[KEY]).exists():
                    _end_orphan(client, run)


def _end_orphan(client: "MlflowClient", run: "MlflowRun") -> None:
    tags, waited = run.data.tags, run.info.status == WAITING
    if waited and EVALUATED in tags:  # DVC skipped the evaluation, as an earlier one is still valid
        settle(client, run.info.experiment_id, run.info.run_id, "FINISHED", now())
        return
    client.set_tag(run.info.run_id, REASON, "the build ended before its report" if waited else "the process died")
    build = run.info.run_id if tags[ROLE] == BUILD else tags.get("mlflow.parentRunId")
    if SWEEP_TAG in tags:  # the status of a sweep does not follow from its trials'
        build = None
    if run.info.run_id != build:
        client.set_terminated(run.info.run_id, "KILLED", now())
    if build is not None:
        settle(client, run.info.experiment_id, build, "KILLED", now())
