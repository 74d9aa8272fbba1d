"""What describes a run: its build, lineage and tags, and how MLflow stores them."""

import contextlib
import getpass
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sprout.config.tree import leaves
from sprout.config.workspace import Build, read_params
from sprout.runtime.errors import UserError
from sprout.tracking.address import DEFAULT, SQLITE, absolute, portable, with_secrets
from sprout.tracking.lineage import GitState
from sprout.tracking.outbox.journal import Record
from sprout.tracking.tags import DATA, DIRTY, OVERRIDES, SWEEP_TAG, builder_tags, owner_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
"""The variable that names the MLflow experiment, in place of the experiment that is built."""
MAX_KEY = 250
MAX_PARAM = 6000
"""Characters; MLflow refuses longer ones."""
CUT = " … (cut; whole in config.yaml)"
DATA_FOLDER = "data/"
MAX_NAME = 150
"""Characters of a run's name; MLflow's page shows fewer."""
BATCH = 100
"""Params or tags in one request, MLflow's limit."""


@dataclass(frozen=True)
class InSweep:
    """The sweep that a run belongs to."""

    key: str
    """Unique."""
    name: str
    """The name of the sweep's own run."""


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run before it starts."""

    build: Build
    """Its settings become the run's params, its experiment MLflow's unless `MLFLOW_EXPERIMENT_NAME` names another."""
    role: str
    """What the run is to the build: build, teacher, control, student, train, sweep or trial."""
    uri: str
    """The store, as `tracking_uri` gives it."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The paths that the run reads, with DVC's hashes."""
    git: GitState | None = None
    """The state of the code."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Further tags."""
    nested: bool = True
    """Whether the run lies under the build's run; one of a sweep lies under the sweep's."""
    name: str | None = None
    """The run's name; None takes its role."""
    sweep: InSweep | None = None


def start_record(info: RunInfo) -> Record:
    """The first record of a journal, from which the run is created in the store."""
    tags = {**info.tags, SWEEP_TAG: info.sweep.key} if info.sweep else info.tags
    return {
        "store": portable(info.uri),
        "time": now(),
        "experiment": experiment_name(info.build.experiment),
        "build": info.build.name,
        "title": title(info.build),
        "role": info.role,
        "name": info.name or (f"{info.role} {title(info.build)}" if not info.nested else info.role),
        "nested": info.nested,
        "sweep": asdict(info.sweep) if info.sweep else None,
        "params": params_of(info.build.config),
        "origin": lineage_tags(info.git, info.data) | {OVERRIDES: json.dumps(overrides_of(info.build))},
        "tags": {legal_key(key): value for key, value in tags.items()},
        "owner": owner_tags(),
        "builder": builder_tags(),
        "data": dict(info.data),
    }


def experiment_name(built: str | None = None) -> str | None:
    """The name of the MLflow experiment of what is built; None stands for the experiment of `params.yaml`."""
    if named := os.environ.get(EXPERIMENT_NAME):
        return named
    if built is None:
        with contextlib.suppress(UserError):
            return read_params().experiment
    return built


def overrides_of(build: Build) -> list[str]:
    """The overrides that a build was composed with: its own, else those in `params.yaml`."""
    if build.overrides is not None:
        return list(build.overrides)
    with contextlib.suppress(UserError):
        params = read_params()
        return params.overrides if params.experiment == build.experiment else []
    return []


def title(build: Build) -> str:
    """What is built, in words: the experiment, and the overrides that differ from its file."""
    text = " ".join([build.experiment, *overrides_of(build)])
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}…"


def store_of(start: Record) -> str:
    """The URI of the store that a journal is for.

    Journals of earlier versions hold an absolute URI. In a workspace that was
    moved, that of the default store names the old folder.
    """
    if "store" in start:
        return with_secrets(absolute(start["store"]))
    default = "/" + DEFAULT.removeprefix(SQLITE)
    return absolute(DEFAULT if start["uri"].startswith(SQLITE) and start["uri"].endswith(default) else start["uri"])


def now() -> int:
    """The time in milliseconds since 1970, as MLflow counts it."""
    return int(time.time() * 1000)


def params_of(config: Mapping[str, object]) -> dict[str, str]:
    """The params of a config: strings as they are, all else as JSON (`true`, `null`, `[1, 2]`)."""
    return {key: _param(value) for key, value in flatten(config).items()}


def _param(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_PARAM else text[: MAX_PARAM - len(CUT)] + CUT


def flatten(config: Mapping[str, object]) -> dict[str, Any]:
    """Nested mappings as one level with dotted keys that MLflow accepts; lists stay lists."""
    return {legal_key(key): value for key, value in leaves(config)}


def legal_key(text: str) -> str:
    """The nearest name that MLflow accepts for a param, metric or tag: other characters become `_`."""
    return re.sub(r"[^\w./ :-]", "_", text)[:MAX_KEY]


def lineage_tags(git: GitState | None, data: Mapping[str, str]) -> dict[str, str]:
    """The tags that name the code and the data of a run."""
    tags = {f"{DATA}{legal_key(path)}": digest for path, digest in data.items()}
    tags |= {"mlflow.user": user()}
    tags |= {"mlflow.source.name": os.path.basename(sys.argv[0]), "mlflow.source.type": "LOCAL"}
    if git and git.commit:
        tags |= {"mlflow.source.git.commit": git.commit}
        tags |= {DIRTY: "true" if git.diff else "false"}
    return tags


def user() -> str:
    """The name of who runs this, as the system knows it; empty where it does not."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no entry
        return ""


def describe(client: "MlflowClient", run_id: str, start: Record, tags: Mapping[str, str]) -> None:
    """Set these tags on a run, and the params and data of its start record that it lacks."""
    from mlflow.entities import Param, RunTag

    known = client.get_run(run_id).data.params
    params = [Param(key, value) for key, value in start["params"].items() if key not in known]
    run_tags = [RunTag(key, value) for key, value in tags.items()]
    for first in range(0, max(len(params), len(run_tags)), BATCH):
        batch = slice(first, first + BATCH)
        client.log_batch(run_id, params=params[batch], tags=run_tags[batch])
    _log_data(client, run_id, start["data"])


def _log_data(client: "MlflowClient", run_id: str, data: dict[str, str]) -> None:
    """Log the data as MLflow's dataset inputs; the models that a run reads are in its tags alone."""
    from mlflow.entities import Dataset, DatasetInput

    inputs = [
        DatasetInput(Dataset(*dataset_of(path, digest), source_type="local", source=json.dumps({"uri": path})))
        for path, digest in data.items()
        if path.startswith(DATA_FOLDER)
    ]
    if inputs:
        client.log_inputs(run_id, inputs)


def dataset_of(path: str, digest: str) -> tuple[str, str]:
    """Name and digest of data as MLflow's page shows them: the path below `data/`, and 12 digits of DVC's hash."""
    return path.removeprefix(DATA_FOLDER), digest[:12] or "unknown"
