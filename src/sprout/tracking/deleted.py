"""Experiments and runs that a user has deleted in MLflow: they are named, with the command that restores them."""

import shlex
from typing import TYPE_CHECKING, Literal

from sprout.tracking.address import hide_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

DELETED = "deleted"
"""MLflow's `lifecycle_stage`; what is deleted can be restored until `mlflow gc`."""


class DeletedError(Exception):
    """Records belong to a deleted experiment or run; the message names it and the command that restores it."""


def restore_command(uri: str, kind: Literal["experiment", "run"], identifier: str) -> str:
    """The shell command that restores what is deleted; without the store where its URI holds a password."""
    store = f"MLFLOW_TRACKING_URI={shlex.quote(uri)} " if hide_password(uri, uri) == uri else ""
    return f"`{store}mlflow {kind}s restore --{kind}-id {identifier}`"


def refuse_deleted(client: "MlflowClient", uri: str, experiment: str, runs: set[str]) -> None:
    """Look whether records were refused because something is deleted.

    Args:
        client: of the store.
        uri: of the store.
        experiment: an id.
        runs: ids.

    Raises:
        DeletedError: the experiment or a run is deleted.
    """
    found = client.get_experiment(experiment)
    if found.lifecycle_stage == DELETED:
        raise DeletedError(deleted_experiment(uri, found.name, experiment))
    for run in sorted(runs):
        if client.get_run(run).info.lifecycle_stage == DELETED:
            raise DeletedError(deleted_run(uri, run))


def deleted_experiment(uri: str, name: str, experiment: str) -> str:
    """What to say of a deleted experiment."""
    return f"the MLflow experiment {name} is deleted; restore it: {restore_command(uri, 'experiment', experiment)}"


def deleted_run(uri: str, run: str) -> str:
    """What to say of a deleted run."""
    return f"the MLflow run {run} is deleted; restore it: {restore_command(uri, 'run', run)}"
