"""The tracking store: how it is created and connected to, and its lock."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from sprout.runtime.errors import printable
from sprout.runtime.workspace import main_workspace
from sprout.tracking.address import artifact_root, hide_password, is_server, sqlite_file
from sprout.tracking.deleted import DELETED, DeletedError, deleted_experiment
from sprout.tracking.relocate import relocate

if TYPE_CHECKING:
    from mlflow import MlflowClient


ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""MLflow's settings; those that the user has set stay. The sender retries, and says why on stderr; MLflow would print
statements in SQL."""


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
    """Connect to the store, and check that it answers.

    A SQLite store that does not exist, or is an empty file, is created. One in the workspace gets the addresses of its
    artifacts changed if the workspace has been moved or copied.

    Raises:
        Exception: the store does not answer; MLflow raises many types.
    """
    load_mlflow()
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    with store_lock(uri) if file is not None else contextlib.nullcontext():
        if file is not None and not (file.exists() and file.stat().st_size):
            _create_store(file)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
        if file is not None and file.is_relative_to(main_workspace()):
            relocate(file, artifact_root())
    return client


def reason(error: Exception, uri: str) -> str:
    """Why a store cannot be used, in one line without passwords."""
    text = hide_password(str(error).strip() or type(error).__name__, uri)
    return printable(text if isinstance(error, DeletedError) else text.splitlines()[0][:200])


def _create_store(path: Path) -> None:
    """Create a SQLite store completely or not at all: a half-created one would break every later start."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory(dir=path.parent, prefix="new-") as folder:
        created = Path(folder) / path.name
        store = SqlAlchemyStore(f"sqlite:///{created}", artifact_root().as_uri())
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


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """The id of the experiment of this name, found or created; the caller holds `store_lock`.

    Raises:
        DeletedError: it is deleted; MLflow keeps its name.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == DELETED:
            raise DeletedError(deleted_experiment(uri, name, found.experiment_id))
        return str(found.experiment_id)
    folder = artifact_root() / re.sub(r"[^\w.-]", "_", name)
    location = None if is_server(uri) else folder.as_uri()
    return str(client.create_experiment(name, artifact_location=location))
