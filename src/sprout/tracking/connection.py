"""The tracking store: where it lies, how to connect to it, and its lock."""

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

from sprout.runtime.launch import main_workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tracking_uri() -> str:
    """The URI of the store: `MLFLOW_TRACKING_URI`, by default a SQLite file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{main_workspace()}/mlruns/mlflow.db"


def outbox() -> Path:
    """The folder of the journals that have not been sent yet."""
    return main_workspace() / "mlruns" / "outbox"


def is_server(uri: str) -> bool:
    """Whether `uri` is a tracking server, which decides where artifacts are stored."""
    return urlsplit(uri).scheme in ("http", "https")


def hide_password(text: str, uri: str) -> str:
    """Remove the user and the password of `uri` from a text."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    return text.replace(f"{secret}@", "") if secret else text


ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""MLflow's settings; those that the user has set stay. The sender retries, and says so on stderr."""
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow's page show the columns of trainings first, not those of chat models."""


def load_mlflow() -> None:
    """Import MLflow, without telemetry and messages.

    Call it in the thread that does the other imports: of two threads that import packages with circular imports (MLflow
    and Lightning share some), one can get a half-initialised module.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic)\b")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def connect(uri: str) -> "MlflowClient":
    """Connect to the store, and check that it answers; a SQLite store that does not exist is created.

    Raises:
        Exception: the store does not answer; MLflow raises many types.
    """
    load_mlflow()
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    with store_lock(uri):
        if file is not None and not file.exists():
            _create_store(file)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _create_store(path: Path) -> None:
    """Create a SQLite store completely or not at all: a half-created one would break every later start."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory(dir=path.parent, prefix="new-") as folder:
        created = Path(folder) / path.name
        store = SqlAlchemyStore(f"sqlite:///{created}", (main_workspace() / "mlruns" / "artifacts").as_uri())
        store.engine.dispose()
        os.replace(created, path)


@contextlib.contextmanager
def store_lock(uri: str) -> Iterator[None]:
    """Let one process of this workspace at a time create something in the store.

    MLflow looks for tables, experiments and runs before it creates them: two processes at once break a SQLite store
    ("duplicate column"), or create the same thing twice.
    """
    path = sqlite_file(uri) or main_workspace() / "mlruns" / "store"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        yield


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """The id of the experiment of this name, found or created; the caller holds `store_lock`."""
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "active":
        return str(found.experiment_id)
    folder = main_workspace() / "mlruns" / "artifacts" / re.sub(r"[^\w.-]", "_", name)
    location = None if is_server(uri) else folder.as_uri()
    return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_KIND))
