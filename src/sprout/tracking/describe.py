"""Settings as MLflow takes them: one level of legal names and short texts."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sprout.config.tree import leaves
from sprout.config.workspace import Build
from sprout.tracking.lineage import GitState
from sprout.tracking.outbox.journal import Record
from sprout.tracking.owner import builder_tags, owner_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_KEY = 250
MAX_PARAM = 6000  # characters; MLflow refuses longer ones
CUT = " … (cut; whole in config.yaml)"


def legal_key(text: str) -> str:
    """The nearest name that MLflow accepts for a param, metric or tag: other characters become `_`."""
    return re.sub(r"[^\w./ :-]", "_", text)[:MAX_KEY]


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one level with dotted keys; lists stay whole."""
    return {legal_key(key): value for key, value in leaves(config)}


def params_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The params of a config: text as it is, everything else as YAML writes it (`true`, `null`, `[1, 2]`)."""
    return {key: _param(value) for key, value in flatten(config).items()}


def _param(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_PARAM else text[: MAX_PARAM - len(CUT)] + CUT


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
