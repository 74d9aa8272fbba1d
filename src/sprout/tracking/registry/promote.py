"""Moving an alias of the registered model by hand."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError
from sprout.tracking.connection import store_lock
from sprout.tracking.reading.facts import build_above
from sprout.tracking.registry.versions import move_alias, newest_version, with_alias
from sprout.tracking.tags import ROLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

ALIAS = re.compile(r"(?!v\d+$)(?!latest$)[\w-]{1,255}", re.IGNORECASE | re.ASCII)
"""What MLflow accepts."""


@dataclass(frozen=True)
class Moved:
    """An alias that was moved."""

    alias: str
    version: "ModelVersion"
    """That has it now."""
    before: "ModelVersion | None"
    """That had it before; the same one if nothing has changed."""


def check_alias(alias: str) -> None:
    """Check a name for an alias.

    Raises:
        UserError: MLflow would refuse it.
    """
    if not ALIAS.fullmatch(alias):
        raise UserError(
            f"--to {alias}: not an alias; accepted: letters, digits, _ and -, but not latest, nor v1 and the like"
        )


def promote(client: "MlflowClient", run: "Run", alias: str) -> Moved:
    """Give the registered model of a build an alias.

    Args:
        client: of the store.
        run: of the build, or of a training in it.
        alias: such as champion.

    Raises:
        UserError: the build has no registered model, or the alias is not accepted.
    """
    check_alias(alias)
    with store_lock(client.tracking_uri):
        version = registered(client, run)
        before = with_alias(client, version.name, alias)
        move_alias(client, version, alias)
    return Moved(alias, version, before)


def registered(client: "MlflowClient", run: "Run") -> "ModelVersion":
    """Return the newest version that a build has registered.

    Raises:
        UserError: there is none.
    """
    build = build_above(client, run)
    version = newest_version(client, f"run_id = '{build.info.run_id}'")
    if version is None:
        raise UserError(
            f"run {run.info.run_id[:8]} ({run.data.tags.get(ROLE, 'a run')} {run.info.run_name}): no registered model; "
            "a build registers the model that it hands on when its report is written, unless tracking.log_model is "
            "false"
        )
    return version
