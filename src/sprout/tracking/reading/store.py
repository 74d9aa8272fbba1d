"""Connecting to the store to read from it."""

from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError
from sprout.tracking.address import hide_password, sqlite_file, tracking_uri
from sprout.tracking.connection import connect, reason

if TYPE_CHECKING:
    from mlflow import MlflowClient


def open_store(uri: str | None = None, *, create: bool = False) -> "MlflowClient":
    """Connect to a store; the addresses of the artifacts of one of SQLite are up to date then.

    Args:
        uri: of the store; None takes what `MLFLOW_TRACKING_URI` names.
        create: whether to create a store of SQLite that does not exist.

    Raises:
        UserError: it does not exist, or cannot be used.
    """
    uri = uri or tracking_uri()
    file = sqlite_file(uri)
    if file is not None and not create and not file.exists():
        raise UserError(f"{file}: no such store (MLFLOW_TRACKING_URI, or what `dvc repro` and `sprout train` track)")
    try:
        return connect(uri)
    except Exception as error:  # MLflow raises many types
        raise UserError(
            f"the tracking store {hide_password(uri, uri)}: cannot be used: {reason(error, uri)}"
        ) from error
