"""Connecting to the store to read from it."""

from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError
from sprout.tracking.address import hide_password, tracking_uri
from sprout.tracking.connection import connect, reason

if TYPE_CHECKING:
    from mlflow import MlflowClient


def open_store(uri: str | None = None) -> "MlflowClient":
    """Connect to a store: one of SQLite is created if need be, and the addresses of its artifacts are up to date.

    Args:
        uri: of the store; None takes what `MLFLOW_TRACKING_URI` names.

    Raises:
        UserError: it cannot be used.
    """
    uri = uri or tracking_uri()
    try:
        return connect(uri)
    except Exception as error:  # MLflow raises many types
        raise UserError(
            f"the tracking store {hide_password(uri, uri)}: cannot be used: {reason(error, uri)}"
        ) from error
