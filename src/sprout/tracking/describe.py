"""What every run carries: params, the code's and the data's state, whose process it is."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sprout.core.build import Build
from sprout.tracking.journal import Record
from sprout.tracking.lineage import GitState
from sprout.tracking.owner import builder_tags, owner_tags
from sprout.tracking.params import legal_key, params_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUILD = "build"  # the role of the build's own run
BUILD_TAG = "sprout.build"  # the tag that names the build, on all its runs
SWEEP_TAG = "sprout.sweep"  # the tag that names the sweep, on its own run and on its trials'
TRIAL_STATE = "sprout.trial_state"  # the tag of a trial's run: COMPLETE or PRUNED; none where it did not end well
RESTORED = "sprout.restored"  # the tag of a run that was not trained here
BATCH = 100  # params or tags; MLflow's limit for one request


@dataclass(frozen=True)
class InSweep:
    """The sweep that a run belongs to; its own run has the role `sweep`."""

    key: str
    """No other sweep has it."""
    name: str
    """The name of the sweep's run."""


def start_record(
    build: Build,
    role: str,
    uri: str,
    data: Mapping[str, str],
    git: GitState | None,
    tags: Mapping[str, str],
    nested: bool,
    name: str | None,
    sweep: InSweep | None,
) -> Record:
    """The first record of a journal: all that makes the run; the arguments are `tracked_run`'s."""
    if sweep:
        tags = {**tags, SWEEP_TAG: sweep.key}
    return {
        "uri": uri,
        "time": now(),
        "experiment": build.experiment,
        "build": build.name,
        "role": role,
        "name": name or role,
        "nested": nested,
        "sweep": asdict(sweep) if sweep else None,
        "params": params_of(build.config),
        "origin": origin_tags(git, data),
        "tags": {legal_key(key): value for key, value in tags.items()},
        "owner": owner_tags(),
        "builder": builder_tags(),
        "data": dict(data),
    }


def now() -> int:
    """The time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)


def origin_tags(git: GitState | None, data: Mapping[str, str]) -> dict[str, str]:
    """The tags that say what a run was made from."""
    tags = {f"sprout.data.{legal_key(path)}": digest for path, digest in data.items()}
    tags |= {"mlflow.source.name": os.path.basename(sys.argv[0]), "mlflow.source.type": "LOCAL"}
    if git and git.commit:
        tags |= {"mlflow.source.git.commit": git.commit, "sprout.git.commit": git.commit}
        tags |= {"sprout.git.dirty": "true" if git.diff else "false"}
    return tags


def describe(client: "MlflowClient", run_id: str, start: Record, tags: Mapping[str, str]) -> None:
    """Give a run these tags, and what it lacks of its start record's params and data."""
    from mlflow.entities import Param, RunTag

    known = client.get_run(run_id).data.params
    params = [Param(k, v) for k, v in start["params"].items() if k not in known]
    run_tags = [RunTag(k, v) for k, v in tags.items()]
    for first in range(0, max(len(params), len(run_tags)), BATCH):
        behind = first + BATCH
        client.log_batch(run_id, params=params[first:behind], tags=run_tags[first:behind])
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
