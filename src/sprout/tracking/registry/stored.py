"""A model of the tracking store as a model folder: `models:/digits@champion`, `models:/digits/3` or `runs:/RUN`."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from sprout.predict.image_files import INPUTS
from sprout.runtime.checksums import SUMS, check_sums, read_sums
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_folder, write_json
from sprout.runtime.model_folder import CARD, WEIGHTS
from sprout.runtime.workspace import find_workspace, main_workspace
from sprout.tracking.connection import reason
from sprout.tracking.logged_model import FOLDER, newest_model
from sprout.tracking.reading.find import find_run
from sprout.tracking.reading.store import open_store
from sprout.tracking.registry.versions import aliases_of
from sprout.tracking.tags import BUILD, BUILD_TAG, HANDED_ON, ROLE, WEIGHTS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERSION = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[\w-]+))")
RUN = re.compile(r"runs:/(?P<run>.+)")
ACCEPTED = "models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN"
CACHE = Path("build/models")
"""In the workspace: models of the store that were used here."""


@dataclass(frozen=True)
class Stored:
    """A model in the store."""

    name: str
    """What it is, such as `digits version 3`."""
    location: str
    """The address of the folder that MLflow keeps."""
    run: str | None
    """The id of the run that it comes from."""
    weights: str | None
    """SHA-256 of its weights, where the store says it."""


@contextmanager
def stored_model(uri: str) -> Iterator[tuple[Path, Stored]]:
    """Yield a copy of the model folder that a URI names, and what it is.

    The copy stays in the workspace, in `build/models`, and is taken again if it is as it was; outside of a workspace it
    is removed when the block ends.

    Raises:
        UserError: there is no such model, it is none of sprout, or its files are damaged.
    """
    client = open_store()
    found = find_stored(client, uri)
    if find_workspace(Path.cwd()) is None:
        with TemporaryDirectory() as scratch:
            yield download(client, found, Path(scratch) / "model"), found
    else:
        place = main_workspace() / CACHE / hashlib.sha256(found.location.encode()).hexdigest()[:16]
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            folder = kept(found, place) or download(client, found, place)
        yield folder, found


def find_stored(client: "MlflowClient", uri: str) -> Stored:
    """Return where the model of a URI is.

    Raises:
        UserError: the URI is not understood, or there is no such model.
    """
    if match := VERSION.fullmatch(uri):
        version = find_version(client, uri, match["name"], match["version"], match["alias"])
        name = f"{version.name} version {version.version}"
        return Stored(name, version.source, version.run_id, version.tags.get(WEIGHTS_TAG))
    if match := RUN.fullmatch(uri):
        return model_of_run(client, uri, match["run"])
    raise UserError(f"{uri}: not a model of the store; accepted: {ACCEPTED}")


def find_version(client: "MlflowClient", uri: str, name: str, version: str | None, alias: str | None) -> "ModelVersion":
    """Return a version of a registered model by its number or its alias.

    Raises:
        UserError: there is none; the message names those that there are.
    """
    from mlflow.exceptions import MlflowException

    try:
        aliases = aliases_of(client, name)
    except MlflowException:
        known = ", ".join(each.name for each in client.search_registered_models()) or "none"
        raise UserError(f"{uri}: no such registered model; there are: {known}") from None
    if alias is not None and alias not in aliases:
        raise UserError(f"{uri}: no such alias; {name} has: {', '.join(aliases) or 'none'}")
    try:
        return client.get_model_version(name, version or aliases[alias or ""])
    except MlflowException:
        numbers = sorted(int(each.version) for each in client.search_model_versions(f"name = '{name}'"))
        raise UserError(f"{uri}: no such version; {name} has: {', '.join(map(str, numbers)) or 'none'}") from None


def model_of_run(client: "MlflowClient", uri: str, text: str) -> Stored:
    """Return the logged model of a training, or the one that a build hands on.

    Raises:
        UserError: there is no such run, or it has no logged model.
    """
    run = find_run(client, text)
    tags, search = run.data.tags, f"source_run_id = '{run.info.run_id}'"
    if tags.get(ROLE) == BUILD:
        search = f"tags.`{BUILD_TAG}` = '{tags[BUILD_TAG]}' and tags.`{ROLE}` = '{tags.get(HANDED_ON)}'"
    ready = newest_model(client, [run.info.experiment_id], search)
    if ready is None:
        raise UserError(f"{uri}: the run {run.info.run_name} has no logged model, as with tracking.log_model=false")
    what = f"{ready.name} of run {run.info.run_id[:8]}"
    return Stored(what, ready.artifact_location, run.info.run_id, ready.tags.get(WEIGHTS_TAG))


def kept(found: Stored, place: Path) -> Path | None:
    """Return the copy of a model in the workspace; None if there is none, or it is damaged."""
    folder = place / FOLDER
    try:
        check(found, folder)
    except (UserError, OSError):
        shutil.rmtree(place, ignore_errors=True)
        return None
    return folder


def download(client: "MlflowClient", found: Stored, place: Path) -> Path:
    """Copy a model from the store, whole or not at all, and return its folder.

    Raises:
        UserError: it cannot be copied, is none of sprout, or damaged.
    """
    from mlflow.artifacts import download_artifacts

    uri, address = client.tracking_uri, f"{found.location}/artifacts/{FOLDER}"
    with atomic_folder(place) as beside:
        try:
            copy = Path(download_artifacts(artifact_uri=address, dst_path=str(beside), tracking_uri=uri))
        except Exception as error:  # MLflow raises many types
            raise UserError(
                f"{found.name}: its files cannot be had from {address} ({reason(error, uri)}); models of sprout have "
                "them there"
            ) from None
        check(found, copy)
        write_inputs(client, found, copy)
        folder = beside / FOLDER
        if copy != folder:
            copy.rename(folder)
    return place / FOLDER


def check(found: Stored, folder: Path) -> None:
    """Compare the files of a model folder with its `SHA256SUMS`, and the weights with what the store says of them.

    Raises:
        UserError: they differ, or there are no checksums.
    """
    sums = read_sums(folder / SUMS) if (folder / SUMS).is_file() else {}
    check_sums(
        folder, [CARD, WEIGHTS, *(sums.keys() - {CARD, WEIGHTS})], f"the store's copy of {found.name} is damaged"
    )
    if found.weights not in (None, sums[WEIGHTS]):
        raise UserError(
            f"{found.name}: its weights in the store have the SHA-256 {sums[WEIGHTS]}, its tag {WEIGHTS_TAG} has "
            f"{found.weights}: one of them was changed"
        )


def write_inputs(client: "MlflowClient", found: Stored, folder: Path) -> None:
    """Write how the images of a model's data were resized, where it was not logged with the model."""
    if (folder / INPUTS).exists() or not found.run:
        return
    params = client.get_run(found.run).data.params
    if {"prepare.resize", "prepare.max_pixels"} <= params.keys():
        said = {"resize": params["prepare.resize"], "max_pixels": int(params["prepare.max_pixels"])}
        write_json(folder / INPUTS, said)
