"""MLflow's web page on the store."""

import os
import socket
import sys

from sprout.runtime.errors import UserError
from sprout.tracking.address import artifact_root, hide_password, is_server, sqlite_file
from sprout.tracking.connection import ENVIRONMENT, connect, reason
from sprout.tracking.last_run import warn_if_forgotten

HOST = "127.0.0.1"
SERVER = {
    **ENVIRONMENT,
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore::DeprecationWarning",
}
"""The server's settings, without the seven processes of its job runners, which sprout does not use; those that the user
has set stay."""


def serve_ui(uri: str, port: int) -> None:
    """Replace this process by `mlflow server` on the store, reachable from this machine only.

    Raises:
        UserError: the port is taken, or `uri` is a server, which has a page of its own.
    """
    if is_server(uri):
        raise UserError(f"MLFLOW_TRACKING_URI={hide_password(uri, uri)}: is a server; open it in a browser")
    _check_free(port)
    environment = {**SERVER, **os.environ}  # before connecting, which sets variables of its own
    _prepare(uri)
    options = {"--host": HOST, "--port": str(port), "--backend-store-uri": uri, "--workers": "1"}
    options["--uvicorn-opts"] = "--log-level warning"
    options["--artifacts-destination"] = str(artifact_root())
    options["--default-artifact-root"] = artifact_root().as_uri()  # of experiments that are created in the page
    command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
    print(f"the runs of {hide_password(uri, uri)} will be at http://{HOST}:{port} soon; Ctrl-C ends it", flush=True)
    os.execve(sys.executable, command, environment)  # noqa: S606


def _prepare(uri: str) -> None:
    """Create a SQLite store that does not exist, and bring the addresses of its artifacts up to date.

    Raises:
        UserError: it cannot be used.
    """
    if sqlite_file(uri) is None:
        return
    try:
        warn_if_forgotten(connect(uri), uri)
    except Exception as error:  # MLflow raises many types
        raise UserError(f"the tracking store {uri}: cannot be used: {reason(error, uri)}") from error


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} on {HOST}: cannot be used ({error}); choose another") from error
