"""`sprout ui`: MLflow's page on real stores, and what its addresses open."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from servers import free_port
from sprout.runtime.errors import UserError
from sprout.tracking import serve_ui, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.find import find_run
from sprout.tracking.ui import place
from sprout.tracking.views import TAG, save_view
from tracked_runs import LONG, make_build, runs_of, track

COMMAND = "import sys; from sprout.tracking import *; serve_ui(tracking_uri(), int(sys.argv[1]), sys.argv[2])"


@pytest.fixture
def tracked(root: Path) -> tuple[str, Any]:
    """A store with the run of a build, and that run."""
    with track(make_build(), "build", tracking_uri()) as run:
        run.log_metrics({"student/test_error_rate": 0.25})
        run.describe("test error 25%", columns=["student/test_error_rate"])
    return tracking_uri(), runs_of(tracking_uri(), role="build")[0]


def start(root: Path, port: int, experiment: str) -> "subprocess.Popen[str]":
    """Start `sprout ui` in a process of its own."""
    command = [sys.executable, "-c", COMMAND, str(port), experiment]
    environment, pipe = {**os.environ, "DVC_ROOT": str(root)}, subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=root, stdout=pipe, stderr=pipe, text=True)


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
        return str(answer.read(), "utf-8")


def test_the_page_opens_on_the_runs_and_ends_with_its_process(root: Path, tracked: tuple[str, Any]) -> None:
    _, run = tracked
    port = free_port()
    process = start(root, port, "digits")
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        experiment = run.info.experiment_id
        opens = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=results"
        assert address == f"http://127.0.0.1:{port}/{opens}"
        # It answers as soon as the address is printed, and its page begins with trainings.
        page = fetch(f"http://127.0.0.1:{port}/")
        assert page.index('"mlflow.workflowType_v1": "\\"machine_learning\\""') < page.index("<title>")
        api = f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/get?run_id={run.info.run_id}"
        assert json.loads(fetch(api))["run"]["info"]["run_name"] == "digits"
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1: cannot be used"):
            serve_ui(tracking_uri(), port)
        servers = psutil.Process(process.pid).children(recursive=True)
        assert servers
    finally:
        process.send_signal(signal.SIGKILL)
        _, printed = process.communicate()
    assert printed == ""
    assert psutil.wait_procs(servers, timeout=LONG)[1] == []


def test_what_an_address_opens(tracked: tuple[str, Any]) -> None:
    uri, run = tracked
    client, info = connect(uri), run.info
    opened = f"#/experiments/{info.experiment_id}/runs/{info.run_id}?workflowType=machine_learning"
    for text in (info.run_id, info.run_id[:8], "digits"):
        assert place(client, "digits", text) == opened
    assert place(client, "nothing", None) == "#/experiments?workflowType=machine_learning"
    with pytest.raises(UserError, match="run it's: not found; give an id, its first 4 characters or more"):
        place(client, None, "it's")


def test_the_newest_run_of_a_name_and_ids_that_begin_alike(root: Path) -> None:
    client = connect(tracking_uri())
    experiment = client.create_experiment("x")
    ids = [client.create_run(experiment, start_time=time, run_name="same").info.run_id for time in (1, 3, 2)]
    assert find_run(client, "same").info.run_id == ids[1]
    client.delete_run(ids[1])
    assert find_run(client, "same").info.run_id == ids[2]


def test_the_list_of_runs_shows_the_figures(tracked: tuple[str, Any]) -> None:
    uri, run = tracked
    client, experiment = connect(uri), run.info.experiment_id
    saved = json.loads(client.get_experiment(experiment).tags[TAG])
    state = json.loads(saved["state"])
    assert saved["name"] == "Results"
    assert state["selectedColumns"][0] == "metrics.`student/test_error_rate`"
    assert state["columnOrder"] == state["selectedColumns"]
    save_view(client, experiment, ["teacher/test_mae"])
    assert "teacher/test_mae" in client.get_experiment(experiment).tags[TAG]


def test_a_server_that_does_not_start_is_explained(
    root: Path, tracked: tuple[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sprout.tracking.ui.APP", "no-such-app")
    with pytest.raises(UserError, match="MLflow's server has ended; its last lines are above"):
        serve_ui(tracking_uri(), free_port())
    assert "no-such-app" in capfd.readouterr().err
