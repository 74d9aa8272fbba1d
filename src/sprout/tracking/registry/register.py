"""A build's model becomes a version of the experiment's registered model, and its champion or challenger.

Each step can be repeated: what exists already is found, not doubled. Two builds of one workspace, or on one SQLite
store, take their turns. Two workspaces on one server may compare with the same champion at the same moment; the one
that moves the alias last wins then.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.evaluate.val_errors import read_val_errors
from sprout.tracking.connection import store_lock
from sprout.tracking.logged_model import legal_name, of_weights
from sprout.tracking.outbox.journal import Record
from sprout.tracking.registry.contest import Verdict, folder_of, judge
from sprout.tracking.registry.versions import (
    CHALLENGER,
    CHAMPION,
    SERVER_ERROR,
    find_or_create_model,
    move_alias,
    version_of_build,
    with_alias,
)
from sprout.tracking.tags import BUILD_TAG, DECIDED, HANDED_ON, WEIGHTS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

VERSIONS = "mlflow.modelVersions"
"""MLflow's tag of a logged model: the versions that it is."""


def register(client: "MlflowClient", experiment: str, run_id: str, journal: Path, record: Record) -> None:
    """Register the model of a record, and decide whether it is the champion; what is refused for good is said.

    Raises:
        Exception: the store did not answer; MLflow raises many types.
    """
    from mlflow.exceptions import MlflowException

    try:
        with store_lock(client.tracking_uri):
            version = find_or_create(client, experiment, client.get_run(run_id), journal, record)
            if version is not None and DECIDED not in version.tags:
                decide(client, version, journal, record)
    except MlflowException as error:
        if error.get_http_status_code() >= SERVER_ERROR:
            raise
        print(f"sprout: the store does not register the model: {error.message}", file=sys.stderr, flush=True)


def find_or_create(
    client: "MlflowClient", experiment: str, run: "Run", journal: Path, record: Record
) -> "ModelVersion | None":
    """Return the version of a build's model; None if the logged model was deleted."""
    model = of_weights(client, [experiment], record["weights"])
    if model is None:
        return None
    name = legal_name(client.get_experiment(experiment).name)
    of_build = {BUILD_TAG: run.data.tags[BUILD_TAG], HANDED_ON: record["role"], WEIGHTS_TAG: record["weights"]}
    tags = record["tags"] | of_build
    find_or_create_model(client, name)
    if found := version_of_build(client, name, tags):
        for key, value in tags.items():
            client.set_model_version_tag(name, str(found.version), key, value)
        return found
    if record["errors"]:
        client.log_artifact(run.info.run_id, str(journal / record["errors"]), folder_of(record["weights"]))
    created = client.create_model_version(
        name,
        model.artifact_location,
        run.info.run_id,
        tags,
        description=described(record, run),
        await_creation_for=None,
        model_id=model.model_id,
    )
    versions = json.loads(model.tags.get(VERSIONS, "[]"))
    link = {"name": name, "version": int(created.version)}
    client.set_logged_model_tags(model.model_id, {VERSIONS: json.dumps([*versions, link])})
    return created


def decide(client: "MlflowClient", version: "ModelVersion", journal: Path, record: Record) -> None:
    """Make a version the champion or the challenger, and say why in its description."""
    champion = with_alias(client, version.name, CHAMPION)
    if champion is None:
        verdict = Verdict(True, "The first champion.")
    elif champion.version == version.version:  # the process died before this was noted
        verdict = Verdict(True, "")
    else:
        errors = read_val_errors(journal / record["errors"]) if record["errors"] else None
        verdict = judge(client, champion, errors)
    number = str(version.version)
    if verdict.why:
        text = described(record, client.get_run(version.run_id), verdict.why)
        client.update_model_version(version.name, number, text)
    alias = CHAMPION if verdict.wins else CHALLENGER
    move_alias(client, version, alias)
    client.set_model_version_tag(version.name, number, DECIDED, alias)


def described(record: Record, run: "Run", why: str = "") -> str:
    """Return the description of a version, in Markdown."""
    info = run.info
    page = f"[{info.run_name}](#/experiments/{info.experiment_id}/runs/{info.run_id}/artifacts/{record['page']})"
    return "\n\n".join(filter(None, [record["headline"], why, f"The report of the build {page}"]))
