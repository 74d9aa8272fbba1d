"""Where tracking keeps things: the workspace, the default store, the outbox."""

import os
from pathlib import Path
from urllib.parse import urlsplit


def workspace() -> Path:
    """The main workspace; `DVC_ROOT` names it where DVC runs a queued experiment in a copy."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def tracking_uri() -> str:
    """The store that runs go to: `MLFLOW_TRACKING_URI`, else a SQLite file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace()}/mlruns/mlflow.db"


def outbox() -> Path:
    """The folder of the journals that wait to be sent."""
    return workspace() / "mlruns" / "outbox"


def is_server(uri: str) -> bool:
    """Whether `uri` names a tracking server, which then decides where artifacts lie."""
    return urlsplit(uri).scheme in ("http", "https")


def hide_password(text: str, uri: str) -> str:
    """`text` as it may be shown: without the user and password that `uri` holds."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    return text.replace(f"{secret}@", "") if secret else text
