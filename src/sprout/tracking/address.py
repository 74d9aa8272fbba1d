"""Addresses: where the main workspace is, which store its runs go to, and how the store is named on disk.

A store that lies in the workspace is named relative to it, so that a workspace can be moved or copied.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from sprout.runtime.secrets import redacted
from sprout.runtime.workspace import main_workspace

DEFAULT = "sqlite:///mlruns/mlflow.db"
SQLITE = "sqlite:///"
NAMED: list[str] = []
"""Stores that the user has named to this process otherwise than by `MLFLOW_TRACKING_URI`."""
HOSTED = ("databricks", "databricks-uc", "uc")
"""URIs that look like relative paths, and are none."""


def tracking_uri() -> str:
    """The URI of the store: `MLFLOW_TRACKING_URI`, by default a SQLite file in the workspace."""
    return absolute(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT)


def outbox() -> Path:
    """The folder of the journals that have not been sent yet."""
    return main_workspace() / "mlruns" / "outbox"


def artifact_root() -> Path:
    """The folder for the artifacts of every store that is no server."""
    return main_workspace() / "mlruns" / "artifacts"


def absolute(uri: str) -> str:
    """The URI of a store with a relative path joined to the main workspace; any other URI unchanged.

    DVC deletes the copy in which it ran an experiment, and with it whatever a path relative to the copy has named.
    """
    prefix, path = _split(uri)
    return uri if path is None else f"{prefix}{main_workspace() / path}"


def portable(uri: str) -> str:
    """The URI of a store as it is kept on disk: without secrets, and relative to the workspace where it lies in it.

    `absolute` and `with_secrets` reverse this.
    """
    uri = without_secrets(uri)
    prefix, path = _split(uri)
    if path is None or not Path(path).is_relative_to(main_workspace()):
        return uri
    return f"{prefix if prefix != 'file://' else 'file:'}{Path(path).relative_to(main_workspace())}"


def _split(uri: str) -> tuple[str, str | None]:
    """The prefix and the path of a store of files; a path of None for other stores."""
    if uri.startswith(SQLITE):
        return SQLITE, uri.removeprefix(SQLITE)
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return "file://", parts.path
    return "", None if parts.scheme or uri in HOSTED else uri


def is_server(uri: str) -> bool:
    """Whether `uri` is a tracking server, which decides where artifacts are stored."""
    return urlsplit(uri).scheme in ("http", "https")


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for any other store."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None


def hide_password(text: str, uri: str) -> str:
    """Remove the user and the password of `uri` from a text, and hide other secrets in it, as in a URI's query."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    return redacted(text.replace(f"{secret}@", "") if secret else text)


def without_secrets(uri: str) -> str:
    """The URI of a store without user, password, and the secrets in its query."""
    return hide_password(uri, uri)


def with_secrets(uri: str) -> str:
    """The URI of a store with the secrets of `MLFLOW_TRACKING_URI` or of a store in `NAMED`, if it is the same one."""
    return next((given for given in (tracking_uri(), *NAMED) if without_secrets(given) == uri), uri)
