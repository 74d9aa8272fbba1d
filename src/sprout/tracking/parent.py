"""A build's own run: found or created, and the status that its stages give it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sprout.tracking.describe import BUILD, BUILD_TAG, SWEEP_TAG
from sprout.tracking.outbox.journal import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
if TYPE_CHECKING:
    from mlflow import MlflowClient

LAST_END = "sprout.last_end"
"""Tag of a build's run: when (ms) what ended last of it has ended, and the build's status since."""

EVALUATED = "sprout.evaluated"
"""Tag of a build's run: an evaluation of it has ended well."""

WAITING = "SCHEDULED"
"""The status of a build between two stages, in MLflow's words."""

REASON = "sprout.reason"
"""Tag: why a run failed or was killed, in a line."""


def find(client: "MlflowClient", experiment: str, tags: dict[str, str], status: str | None = None) -> "list[MlflowRun]":
    """The runs of an experiment that carry these tags, oldest first."""
    terms = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    terms += [f"attributes.status = '{status}'"] if status else []
    return list(client.search_runs([experiment], " and ".join(terms), order_by=["attributes.start_time ASC"]))


def find_or_create_parent(client: "MlflowClient", experiment: str, start: Record) -> str:
    """The id of the run of the record's build."""
    tags = {BUILD_TAG: start["build"], "sprout.role": BUILD}
    found = find(client, experiment, tags)
    if found:
        return str(found[0].info.run_id)
    tags |= {"sprout.key": start["key"], **start["owner"]}
    return str(client.create_run(experiment, start["time"], tags, start["build"]).info.run_id)


def find_or_create(client: "MlflowClient", experiment: str, start: Record, parent: str | None) -> str:
    """The id of the record's own run, which its key names."""
    tags = {"sprout.key": start["key"], "sprout.role": start["role"]}
    found = find(client, experiment, tags)
    if found:
        return str(found[0].info.run_id)
    tags |= {BUILD_TAG: start["build"], **start["owner"]}
    tags |= {"mlflow.parentRunId": parent} if parent else {}
    return str(client.create_run(experiment, start["time"], tags, start["name"]).info.run_id)


def reopen(client: "MlflowClient", parent: str, start: Record) -> None:
    """Mark a build as running, by the process of the record."""
    tag(client, parent, {**start["owner"], "sprout.key": start["key"]})
    client.update_run(parent, "RUNNING")
    if REASON in client.get_run(parent).data.tags:
        client.delete_tag(parent, REASON)


def settle(
    client: "MlflowClient",
    experiment: str,
    parent: str,
    status: str,
    time: int,
    builder: Mapping[str, str] | None = None,
) -> None:
    """Give a build the status that what ended last of it leaves it in, once nothing of it runs.

    Args:
        client: of the store.
        experiment: the build's experiment.
        parent: the build's run.
        status: that of the build, as far as what has just ended knows.
        time: when that was, in milliseconds; a journal that arrives late does not overrule what ended after it.
        builder: the tags that name the process which a build that is `WAITING` waits for.
    """
    last = client.get_run(parent).data.tags.get(LAST_END, "0 RUNNING").split()
    if time >= int(last[0]):
        last = [str(time), status]
        tags = {LAST_END: " ".join(last), **(builder or {})} | ({EVALUATED: "true"} if status == "FINISHED" else {})
        tag(client, parent, tags)
    if find(client, experiment, {"mlflow.parentRunId": parent}, "RUNNING"):
        return
    if last[1] == WAITING:
        client.update_run(parent, WAITING)
    else:
        client.set_terminated(parent, last[1], int(last[0]))


def tag(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Give a run these tags."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])


SWEEP = "sweep"
"""The role of the sweep's own run."""


def open_in_sweep(client: "MlflowClient", experiment: str, start: Record) -> str:
    """The id of the record's run: the sweep's own, running again, or one under it.

    Whichever journal comes first makes the sweep's run: a store that was down may hear of a trial before.
    """
    tags = {SWEEP_TAG: start["sweep"]["key"], "sprout.role": SWEEP}
    found = find(client, experiment, tags)
    if found:
        sweep = str(found[0].info.run_id)
    else:
        made = tags | {"sprout.key": start["key"], **start["owner"]}
        sweep = str(client.create_run(experiment, start["time"], made, start["sweep"]["name"]).info.run_id)
    run = sweep if start["role"] == SWEEP else trial_run(client, experiment, start, sweep)
    if not ended_after(client, run, start["time"]):
        reopen(client, run, start)
    return run


def trial_run(client: "MlflowClient", experiment: str, start: Record, sweep: str) -> str:
    """The id of a trial's run; one that was paused goes on in the same."""
    tags = {SWEEP_TAG: start["sweep"]["key"], "sprout.role": start["role"], "mlflow.runName": start["name"]}
    found = find(client, experiment, tags)
    return str(found[0].info.run_id) if found else find_or_create(client, experiment, start, sweep)


def ended_after(client: "MlflowClient", run: str, time: int) -> bool:
    """Whether a run has ended since: a journal may come late."""
    return (client.get_run(run).info.end_time or 0) > time
