"""MLflow's web page on the store."""

import os
import socket
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError
from sprout.runtime.launch import start_server
from sprout.runtime.progress import waiting
from sprout.tracking.address import artifact_root, hide_password, is_server
from sprout.tracking.connection import ENVIRONMENT
from sprout.tracking.last_run import warn_if_forgotten
from sprout.tracking.reading.find import find_run
from sprout.tracking.reading.store import open_store
from sprout.tracking.views import WORKFLOW, run_address, runs_address

if TYPE_CHECKING:
    from subprocess import Popen

    from mlflow import MlflowClient

HOST = "127.0.0.1"
SERVER = {**ENVIRONMENT, "MLFLOW_LOGGING_LEVEL": "ERROR", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""The server's settings, without the seven processes of its job runners, which sprout does not use; those that the user
has set stay."""
APP = "sprout"
"""The name of `ui_app.py` among the entry points of the package."""
PATIENCE = 120.0
"""Seconds that the server may take to answer for the first time."""
PAUSE = 0.2
SHOWN = 20
"""Last lines of the server's output that are shown if it fails."""


def serve_ui(uri: str, port: int, experiment: str | None = None, run: str | None = None) -> int:
    """Run `mlflow server` on the store, reachable from this machine only, until it ends; return its exit code.

    Args:
        uri: the store. A server has a page of its own, whose address is printed.
        port: where the page is to be.
        experiment: the name of the MLflow experiment whose runs the printed address opens, if there is one.
        run: an id, its beginning, or a name: the run that it opens instead.

    Raises:
        UserError: the port is taken, the store cannot be used, there is no such run, or the server does not start.
    """
    if is_server(uri):
        print(f"{hide_password(uri, uri).rstrip('/')}/{place(open_store(uri), experiment, run)}")
        return 0
    check_free(port)
    environment = {**SERVER, **os.environ}  # before connecting, which sets variables of its own
    client = open_store(uri, create=True)
    warn_if_forgotten(client, uri)
    address = f"http://{HOST}:{port}/{place(client, experiment, run)}"
    with TemporaryDirectory() as folder:
        log = Path(folder, "server.log")
        server = start(uri, port, environment, log)
        try:
            with waiting("starting MLflow's server"):
                wait_until_healthy(server, port, log)
            print(f"{address}\nthe runs of {hide_password(uri, uri)}; Ctrl-C ends the page", flush=True)
            return server.wait()
        finally:
            server.terminate()
            server.wait()


def place(client: "MlflowClient", experiment: str | None, run: str | None) -> str:
    """Return what the page opens: a run, an experiment's runs, or the list of experiments.

    Raises:
        UserError: there is no such run.
    """
    if run is not None:
        found = find_run(client, run)
        return run_address(found.info.experiment_id, found.info.run_id)
    known = None if experiment is None else client.get_experiment_by_name(experiment)
    return f"#/experiments?{WORKFLOW}" if known is None else runs_address(known.experiment_id)


def start(uri: str, port: int, environment: dict[str, str], log: Path) -> "Popen[bytes]":
    """Start the server, whose output goes to a file: little of it is for the user."""
    options = {"--host": HOST, "--port": str(port), "--workers": "1", "--app-name": APP}
    options |= {"--backend-store-uri": uri, "--registry-store-uri": uri}
    options["--artifacts-destination"] = str(artifact_root())
    options["--default-artifact-root"] = artifact_root().as_uri()  # of experiments that are created in the page
    command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
    return start_server(command, environment, log)


def wait_until_healthy(server: "Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the server answers.

    Raises:
        UserError: it has ended, or does not answer in time.
    """
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(PAUSE)
    said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN:])
    print(said, file=sys.stderr)
    why = f"does not answer after {PATIENCE:g} seconds" if server.poll() is None else "has ended"
    raise UserError(f"MLflow's server {why}; its last lines are above")


def check_free(port: int) -> None:
    """Check that nobody listens on a port.

    Raises:
        UserError: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} on {HOST}: cannot be used ({error}); choose another") from error
