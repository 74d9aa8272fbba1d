"""Runs whose process died without a word: RUNNING in the store, though nothing runs."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sprout.tracking.describe import BUILD, now
from sprout.tracking.parent import REASON, settle

if TYPE_CHECKING:
    from mlflow import MlflowClient


def reap(client: "MlflowClient", outbox: Path) -> None:
    """End as KILLED every run of this host whose process is dead.

    A run whose journal still waits in the outbox is left to its journal, which knows better how it ended.
    """
    experiments = [str(each.experiment_id) for each in client.search_experiments()]
    running = f"attributes.status = 'RUNNING' and tags.`sprout.host` = '{socket.gethostname()}'"
    dead = [run for run in client.search_runs(experiments, running) if not _alive(run.data.tags)]
    for run in dead:
        tags, parent = run.data.tags, run.data.tags.get("mlflow.parentRunId")
        if (outbox / tags["sprout.key"]).exists():
            continue
        client.set_tag(run.info.run_id, REASON, "the process died")
        if tags["sprout.role"] == BUILD:
            parent = run.info.run_id
        else:
            client.set_terminated(run.info.run_id, "KILLED", now())
        if parent is not None:
            settle(client, run.info.experiment_id, parent, "KILLED", now())


def _alive(tags: Mapping[str, str]) -> bool:
    try:
        process = psutil.Process(int(tags["sprout.pid"]))
        same: bool = abs(process.create_time() - float(tags["sprout.process_created"])) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
