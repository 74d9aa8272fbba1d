"""Where tracking keeps things: the workspace, the default store, the outbox."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient


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


# Read by MLflow; what the user has set stays. Retrying is left to the sender, which says so.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


def load_mlflow() -> None:
    """Import MLflow, with telemetry and chatter off.

    To be called by the thread that does the other imports: two threads that import packages with circular
    imports (MLflow and Lightning share some) can see half-made modules.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic)\b")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def connect(uri: str) -> "MlflowClient":
    """A client of the store at `uri`, which has answered; makes a SQLite store that does not exist yet.

    Raises:
        Exception: whatever MLflow raises where the store does not answer.
    """
    load_mlflow()
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    with store_lock(uri):
        if file is not None and not file.exists():
            make_store(file)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def make_store(path: Path) -> None:
    """Make a SQLite store whole or not at all; one whose making was killed would break every later start."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory(dir=path.parent, prefix="new-") as folder:
        made = Path(folder) / path.name
        store = SqlAlchemyStore(f"sqlite:///{made}", (workspace() / "mlruns" / "artifacts").as_uri())
        store.engine.dispose()
        os.replace(made, path)


# MLflow's page then shows what belongs to trainings first, not what belongs to chat models.
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}


@contextlib.contextmanager
def store_lock(uri: str) -> Iterator[None]:
    """One process at a time, of those that use this store from here.

    MLflow's own creation of tables, experiments and runs looks first and then creates; two processes at once
    break a SQLite store ("duplicate column") or make two of what shall be one.
    """
    path = sqlite_file(uri) or workspace() / "mlruns" / "store"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        yield


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """The experiment of that name, found or created; to be called under `store_lock`."""
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "active":
        return str(found.experiment_id)
    folder = workspace() / "mlruns" / "artifacts" / re.sub(r"[^\w.-]", "_", name)
    location = None if is_server(uri) else folder.as_uri()
    return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_KIND))
