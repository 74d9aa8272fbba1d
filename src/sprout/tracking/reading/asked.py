"""The lineage that a user asks for: of a model folder, a run, or a registered model."""

from pathlib import Path
from typing import TYPE_CHECKING

from sprout.config.pretrained import STORED
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError
from sprout.runtime.model_folder import CARD, ROLES, WEIGHTS
from sprout.runtime.workspace import find_workspace
from sprout.tracking.address import sqlite_file, tracking_uri
from sprout.tracking.logged_model import of_weights
from sprout.tracking.reading.facts import build_above
from sprout.tracking.reading.find import find_run
from sprout.tracking.reading.lineage import Lineage, lineage
from sprout.tracking.reading.made import made_here, made_in
from sprout.tracking.reading.store import open_store
from sprout.tracking.registry.stored import find_stored
from sprout.tracking.tags import BUILD, ROLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def lineage_of(text: str, before: Path) -> Lineage:
    """Return the graph of a model.

    Args:
        text: a model folder, a model of the store, or a run.
        before: what to put before a path.

    Raises:
        UserError: there is no such model or run, or nothing says what it was made from.
    """
    folder = before / text
    if not text.startswith(STORED) and (folder / CARD).is_file():
        return of_folder(folder)
    if folder.exists():
        raise UserError(
            f"{text}: no model folder, as there is no {CARD} in it; give one, such as models/student, or a run"
        )
    client = open_store()
    if not text.startswith(STORED):
        return of_run(client, find_run(client, text))
    found = find_stored(client, text)
    if found.run is None:
        raise UserError(f"{text}: {found.name} names no run, so nothing says what it was made from")
    return of_run(client, client.get_run(found.run))


def of_run(client: "MlflowClient", run: "Run") -> Lineage:
    """Return the graph of a run's build, or of the run itself where it belongs to none."""
    role = run.data.tags.get(ROLE)
    return lineage(made_in(client, build_above(client, run)), None if role == BUILD else role)


def of_folder(folder: Path) -> Lineage:
    """Return the graph of a model folder: by the run that has logged its weights, else by the workspace that made it.

    Raises:
        UserError: neither knows the model.
    """
    file = sqlite_file(tracking_uri())
    if file is None or file.exists():
        client = open_store()
        if run := run_with(client, sha256(folder / WEIGHTS)):
            return of_run(client, run)
    workspace = find_workspace(folder.resolve())
    if workspace is not None and folder.resolve() in [workspace / "models" / role for role in ROLES]:
        return lineage(made_here(workspace), folder.resolve().name)
    raise UserError(
        f"{folder}: nothing says what it was made from: no run in the tracking store has logged its weights, and it is "
        f"none of {', '.join(f'models/{role}' for role in ROLES)} of a workspace"
    )


def run_with(client: "MlflowClient", weights: str) -> "Run | None":
    """Return the run that has logged a model with these weights last; None if none has."""
    found = of_weights(client, [each.experiment_id for each in client.search_experiments()], weights)
    return client.get_run(found.source_run_id) if found else None
