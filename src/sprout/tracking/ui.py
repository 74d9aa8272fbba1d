"""MLflow's web page on the store."""

import os
import socket
import sys

from sprout.runtime.errors import UserError
from sprout.runtime.launch import main_workspace
from sprout.tracking.connection import (
    ENVIRONMENT,
    connect,
    hide_password,
    is_server,
    sqlite_file,
    store_lock,
)

HOST = "127.0.0.1"
WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore::DeprecationWarning"}
"""Without the seven processes of the server's job runners, which sprout does not use."""


def serve_ui(uri: str, port: int) -> None:
    """Replace this process by `mlflow server` on the store, reachable from this machine only.

    Raises:
        UserError: the port is taken, or `uri` is a server, which has a page of its own.
    """
    if is_server(uri):
        raise UserError(f"MLFLOW_TRACKING_URI={hide_password(uri, uri)}: is a server; open it in a browser")
    _check_free(port)
    _create_store(uri)
    options = {"--host": HOST, "--port": str(port), "--backend-store-uri": uri, "--workers": "1"}
    options["--uvicorn-opts"] = "--log-level warning"
    options["--artifacts-destination"] = str(main_workspace() / "mlruns" / "artifacts")
    command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
    print(f"the runs of {hide_password(uri, uri)} will be at http://{HOST}:{port} soon; Ctrl-C ends it", flush=True)
    os.execve(sys.executable, command, {**ENVIRONMENT, **WITHOUT_JOBS, **os.environ})  # noqa: S606


def _create_store(uri: str) -> None:
    """Create a SQLite store that does not exist; the server would do so without the lock."""
    file = sqlite_file(uri)
    with store_lock(uri):  # another process may be creating it
        exists = file is None or file.exists()
    if not exists:
        connect(uri)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} on {HOST}: cannot be used ({error}); choose another") from error
