"""Versions of a registered model in the store, and the aliases that name some of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sprout.tracking.tags import BUILD_TAG, WEIGHTS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
SERVER_ERROR = 500
"""An HTTP status from which on a request may succeed later; one below is refused for good."""
DESCRIPTION = (
    "One version for each build of the experiment. The alias `champion` is the version to use: it moves to a new one "
    "only if that has less error on the same val examples, beyond chance. `challenger` is the newest one that has not "
    "done so. `sprout promote RUN` moves an alias by hand."
)


def aliases_of(client: "MlflowClient", name: str) -> dict[str, str]:
    """Return the version that each alias of a registered model names."""
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}


def with_alias(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    """Return the version that has an alias; None if none has."""
    version = aliases_of(client, name).get(alias)
    return None if version is None else client.get_model_version(name, version)


def move_alias(client: "MlflowClient", version: "ModelVersion", alias: str) -> None:
    """Give a version an alias; a champion is no challenger any more."""
    client.set_registered_model_alias(version.name, alias, str(version.version))
    if alias == CHAMPION and aliases_of(client, version.name).get(CHALLENGER) == str(version.version):
        client.delete_registered_model_alias(version.name, CHALLENGER)


def newest_version(client: "MlflowClient", search: str) -> "ModelVersion | None":
    """Return the newest version that MLflow finds; None if there is none."""
    found = client.search_model_versions(search)
    return max(found, key=lambda each: int(each.version), default=None)


def version_of_build(client: "MlflowClient", name: str, tags: Mapping[str, str]) -> "ModelVersion | None":
    """Return the version of a build with these weights; None if it is not registered."""
    terms = [f"tags.`{key}` = '{tags[key]}'" for key in (BUILD_TAG, WEIGHTS_TAG)]
    return newest_version(client, " and ".join([f"name = '{quoted(name)}'", *terms]))


def find_or_create_model(client: "MlflowClient", name: str) -> None:
    """Create the registered model unless there is one."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def quoted(text: str) -> str:
    """Return a text as it stands between single quotes."""
    return text.replace("'", "''")
