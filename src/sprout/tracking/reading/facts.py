"""All that is known of one run: code, settings, data, labels, machine, time and figures."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sprout.runtime.files import read_json
from sprout.tracking.reading.found import NEWEST, Found, described
from sprout.tracking.tags import BUILD, BUILD_TAG, DATA, DIRTY, HANDED_ON, HOST, OVERRIDES, REASON, ROLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHILDREN = 1000
CURVES = ("epoch/", "step/", "trial/")
"""How the names of curves begin."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run."""

    run: Found
    commit: str | None
    dirty: bool
    """Whether the code differed from the commit; the artifact git.diff has the difference."""
    overrides: list[str]
    """What differed from the experiment's file."""
    settings: dict[str, str]
    """All settings, with dotted keys."""
    data: dict[str, str]
    """Path that was read → DVC's hash of it."""
    splits: dict[str, dict[str, int]]
    """Split → its examples, and how many of them have a label; of a build that has ended."""
    labels: dict[str, dict[str, Any]]
    """Model → what is known of the labels that it gave unlabelled examples."""
    handed_on: str | None
    """Which model the build hands on."""
    user: str
    host: str
    reason: str | None
    """Why it failed or was killed."""
    children: list[Found]
    """The trainings of a build, the trials of a sweep, oldest first."""

    @property
    def figures(self) -> dict[str, float]:
        """The metrics without the curves."""
        return without_curves(self.run.metrics)

    @property
    def own_labels(self) -> dict[str, dict[str, Any]]:
        """Of a build's run all labels that its models gave, of a training's those of its model."""
        return {role: found for role, found in self.labels.items() if self.run.kind in (BUILD, role)}


def facts_of(client: "MlflowClient", run: "Run") -> Facts:
    """Read what is known of a run; splits and labels are those of its build."""
    tags = run.data.tags
    names = {each.experiment_id: each.name for each in client.search_experiments()}
    build = build_of(client, run)
    summary = artifact(client, build, "data/summary.json") or {"splits": {}}
    evaluation = artifact(client, build, "evaluation/metrics.json") or {"pseudo_labels": {}}
    return Facts(
        run=described(run, names),
        commit=tags.get("mlflow.source.git.commit"),
        dirty=tags.get(DIRTY) == "true",
        overrides=json.loads(tags.get(OVERRIDES, "[]")),
        settings=dict(run.data.params),
        data=data_of(run),
        splits={
            name: {"examples": split["examples"], "labelled": split["labelled"]}
            for name, split in summary["splits"].items()
        },
        labels=evaluation["pseudo_labels"],
        handed_on=tags.get(HANDED_ON),
        user=tags.get("mlflow.user", ""),
        host=tags.get(HOST, ""),
        reason=tags.get(REASON),
        children=[described(each, names) for each in children_of(client, run)],
    )


def without_curves(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that are figures of a finished model."""
    return {name: value for name, value in metrics.items() if not name.startswith(CURVES)}


def data_of(run: "Run") -> dict[str, str]:
    """Return the paths that a run has read, each with DVC's hash."""
    return {key.removeprefix(DATA): value for key, value in run.data.tags.items() if key.startswith(DATA)}


def build_of(client: "MlflowClient", run: "Run") -> "Run":
    """Return the run of the build with the same settings as a run; the run itself if there is none."""
    tags = run.data.tags
    if tags.get(ROLE) == BUILD or BUILD_TAG not in tags:
        return run
    search = f"tags.`{ROLE}` = '{BUILD}' and tags.`{BUILD_TAG}` = '{tags[BUILD_TAG]}'"
    found = client.search_runs([run.info.experiment_id], search, order_by=list(NEWEST), max_results=1)
    return found[0] if found else run


def build_above(client: "MlflowClient", run: "Run") -> "Run":
    """Return the run of the build in which a training took place; the run itself of what took place in none."""
    parent = run.data.tags.get("mlflow.parentRunId")
    above = run if parent is None else client.get_run(parent)
    return above if above.data.tags.get(ROLE) == BUILD else run


def children_of(client: "MlflowClient", run: "Run") -> "list[Run]":
    """Return the runs that lie under a run, oldest first."""
    search = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    found = client.search_runs([run.info.experiment_id], search, order_by=list(NEWEST), max_results=CHILDREN)
    return list(found)[::-1]


def ended_trainings(client: "MlflowClient", build: "Run") -> "dict[str, Run]":
    """Return the trainings of a build that have ended well, the newest of each name."""
    return {run.info.run_name: run for run in children_of(client, build) if run.info.status == "FINISHED"}


def artifact(client: "MlflowClient", run: "Run", path: str) -> Any:
    """Return the content of a JSON file that a run has logged; None if it has not."""
    with artifact_file(client, run, path) as file:
        return None if file is None else read_json(file)


@contextmanager
def artifact_file(client: "MlflowClient", run: "Run", path: str) -> Iterator[Path | None]:
    """Yield a copy of a file that a run has logged; None if it has not.

    The folder of its artifacts is known: the client's own methods would read the run four times for each file.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files = get_artifact_repository(run.info.artifact_uri, tracking_uri=client.tracking_uri)
    known = {each.path for each in files.list_artifacts(path.rpartition("/")[0])}
    with TemporaryDirectory() as scratch:
        yield Path(files.download_artifacts(path, scratch)) if path in known else None
