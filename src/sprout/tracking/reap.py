"""Runs whose process died without a word: under way in the store, though nothing runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from sprout.tracking.describe import BUILD, SWEEP_TAG, now
from sprout.tracking.owner import alive, here
from sprout.tracking.parent import EVALUATED, REASON, WAITING, find, settle

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun


def reap(client: "MlflowClient", outbox: Path) -> None:
    """End every run of this machine whose process is dead, and every build that waits for a dead `dvc`.

    A run whose journal still waits in the outbox is left to its journal, which knows better how it ended.
    """
    for experiment in client.search_experiments():
        for status in ("RUNNING", WAITING):
            for run in find(client, str(experiment.experiment_id), here(), status):
                tags = run.data.tags
                if not alive(tags) and not (outbox / tags["sprout.key"]).exists():
                    _end(client, run)


def _end(client: "MlflowClient", run: "MlflowRun") -> None:
    tags, waited = run.data.tags, run.info.status == WAITING
    if waited and EVALUATED in tags:  # DVC saw that an earlier evaluation still holds
        settle(client, run.info.experiment_id, run.info.run_id, "FINISHED", now())
        return
    client.set_tag(run.info.run_id, REASON, "the build ended before its evaluation" if waited else "the process died")
    parent = run.info.run_id if tags["sprout.role"] == BUILD else tags.get("mlflow.parentRunId")
    if SWEEP_TAG in tags:  # a sweep has a status of its own, whatever becomes of its trials
        parent = None
    if run.info.run_id != parent:
        client.set_terminated(run.info.run_id, "KILLED", now())
    if parent is not None:
        settle(client, run.info.experiment_id, parent, "KILLED", now())
