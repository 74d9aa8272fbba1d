"""The run of a sweep, and those of its trials under it."""

from typing import TYPE_CHECKING

from sprout.tracking.describe import SWEEP_TAG
from sprout.tracking.journal import Record
from sprout.tracking.parent import find, find_or_create, reopen

if TYPE_CHECKING:
    from mlflow import MlflowClient

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
