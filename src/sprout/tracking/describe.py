"""What every run carries: params, the code's and the data's state, whose process it is."""

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import psutil

from sprout.tracking.journal import Record
from sprout.tracking.params import legal_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 100  # params or tags; MLflow's limit for one request


def owner_tags() -> dict[str, str]:
    """The tags that name a run's process: a pid alone is used again, with its creation time it is not."""
    created = repr(psutil.Process().create_time())
    return {
        "sprout.host": socket.gethostname(),
        "sprout.pid": str(os.getpid()),
        "sprout.process_created": created,
    }


def origin_tags(commit: str | None, dirty: bool, data: dict[str, str]) -> dict[str, str]:
    """The tags that say what a run was made from; `data` maps paths to DVC's hashes."""
    tags = {f"sprout.data.{legal_key(path)}": digest for path, digest in data.items()}
    tags |= {"mlflow.source.name": os.path.basename(sys.argv[0]), "mlflow.source.type": "LOCAL"}
    if commit is not None:
        tags |= {"mlflow.source.git.commit": commit, "sprout.git.commit": commit}
        tags |= {"sprout.git.dirty": str(dirty).lower()}
    return tags


def describe(client: "MlflowClient", run_id: str, start: Record) -> None:
    """Gives a run the params, tags and dataset inputs of its start record that it does not have yet."""
    from mlflow.entities import Param, RunTag

    known = client.get_run(run_id).data
    params = [Param(k, v) for k, v in start["params"].items() if k not in known.params]
    tags = [RunTag(k, v) for k, v in start["tags"].items() if known.tags.get(k) != v]
    for first in range(0, max(len(params), len(tags)), BATCH):
        client.log_batch(run_id, params=params[first : first + BATCH], tags=tags[first : first + BATCH])
    _log_data(client, run_id, start["data"])


def _log_data(client: "MlflowClient", run_id: str, data: dict[str, str]) -> None:
    """The data as MLflow's dataset inputs: the path is the name, DVC's hash (36 characters) the digest."""
    from mlflow.entities import Dataset, DatasetInput

    inputs = [
        DatasetInput(Dataset(path, digest, source_type="local", source=json.dumps({"uri": path})))
        for path, digest in data.items()
    ]
    if inputs:
        client.log_inputs(run_id, inputs)
