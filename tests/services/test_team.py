"""A team's services: what two members build and train is on the server once, and every command reads it from there.

What was built is pushed to S3 and pulled by a clone, and Optuna's dashboard shows the sweep.
"""

import csv
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from conftest import Member
from running import BUCKET, Service, TrackingServer, answers
from servers import free_port
from sprout.data.store import open_store
from sprout.models.predictor import load_predictor
from sprout.tracking import HANDED_ON
from sprout.tracking.connection import connect
from tracked_runs import artifacts, outbox, points
from workspaces import commit_all, copy_workspace, git, run, start

Tracked = dict[str, list[Any]]


def curves(uri: str, run: Any) -> dict[str, list[tuple[int, float]]]:
    """All points of a run."""
    return {name: points(uri, run, name) for name in run.data.metrics}


def test_the_server_has_what_the_first_member_has_built(first: Member, tracked: Tracked) -> None:
    expected = {"build": 1, "sweep": 1, "teacher": 1, "control": 1, "student": 1, "trial": 2}
    assert {kind: len(runs) for kind, runs in tracked.items()} == expected
    assert {each.info.status for runs in tracked.values() for each in runs} == {"FINISHED"}
    assert outbox(first.folder) == []
    assert not list(first.folder.glob("mlruns/*.db"))


def test_each_metric_is_there_once(first: Member, tracked: Tracked) -> None:
    for each in (each for runs in tracked.values() for each in runs):
        for name, had in curves(first.uri, each).items():
            assert len({step for step, _ in had}) == len(had), (each.info.run_name, name)
    with (first.folder / "models/teacher/history.csv").open() as file:
        history = [float(row["val_loss"]) for row in csv.DictReader(file)]
    steps, values = zip(*curves(first.uri, tracked["teacher"][0])["epoch/val_loss"], strict=True)
    assert steps == (1, 2)
    assert values == pytest.approx(history)


def test_artifacts_are_served(first: Member, server: TrackingServer, tracked: Tracked, tmp_path: Path) -> None:
    (build,) = tracked["build"]
    assert build.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert {"report", "evaluation", "data", "config.yaml"} <= artifacts(first.uri, build)
    page = connect(first.uri).download_artifacts(build.info.run_id, "report/index.html", str(tmp_path))
    assert Path(page).read_bytes() == (first.folder / "reports/index.html").read_bytes()
    assert (
        f'href="{first.uri}/#/experiments/{build.info.experiment_id}/runs/{build.info.run_id}' in Path(page).read_text()
    )
    assert list(server.artifacts.rglob("report/index.html"))
    assert not (first.folder / "mlruns/artifacts").exists()


def test_a_logged_model_is_loaded_from_the_server(
    first: Member, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    (output,) = tracked["teacher"][0].outputs.model_outputs
    mlflow.set_tracking_uri(first.uri)
    monkeypatch.syspath_prepend(first.folder / "src")  # undoes what the model's code adds to sys.path
    images = np.array(open_store(first.folder / "data/prepared/test").shard(0)[:8])
    served = mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(images)
    local = load_predictor(first.folder / "models/teacher").predict(images)
    np.testing.assert_allclose(served.iloc[:, 2:], local, rtol=1e-5, atol=1e-7)


READING = {
    "runs experiment=digits best=1": "digits train.epochs=2",
    "show {build}": "the {handed_on} is handed on",
    "show {sweep}": "sweep digits-default #1",
    "compare {build} {sweep}": "B against A: sweep digits-default is not a finished build",
    "ui {student}": "{uri}/#/experiments/",
    "lineage {build}": "data/prepared",
    "lineage models:/digits@champion": "data/prepared",
    "promote {build} --to best": "digits@best is version 1",
    "reproduce {teacher} --dry-run": "from DVC's cache",
}
"""Words of `sprout`, with the runs that they name by their kind, and what is printed then."""


@pytest.mark.parametrize("words", READING)
def test_commands_read_from_the_server(first: Member, tracked: Tracked, words: str) -> None:
    known = {kind: runs[0].info.run_id for kind, runs in tracked.items()}
    known |= {"uri": first.uri, "handed_on": tracked["build"][0].data.tags[HANDED_ON]}
    assert READING[words].format(**known) in first.run("sprout", *words.format(**known).split())


def test_two_members_train_at_the_same_time(first: Member, tmp_path: Path) -> None:
    """Both begin the same MLflow experiment."""
    second = Member(copy_workspace(first.folder, tmp_path / "second" / "sprout"), first.uri)
    shared = {"MLFLOW_TRACKING_URI": first.uri, "MLFLOW_EXPERIMENT_NAME": "together"}
    command = ["sprout", "train", "train.epochs=2", "train.log_steps=1"]
    trainings = [start(each.folder, *command, warm=True, more=shared) for each in (first, second)]
    assert [training.wait(300) for training in trainings] == [0, 0]
    found = second.runs("experiment=together", "state=finished", "kind=train")
    assert len(found) == 2
    for each in found:
        had = curves(first.uri, connect(first.uri).get_run(each["id"]))
        assert [step for step, _ in had["epoch/val_loss"]] == [1, 2]
        assert had["step/loss"]
        assert all(len({step for step, _ in some}) == len(some) for some in had.values())
    assert outbox(first.folder) == outbox(second.folder) == []


def test_a_clone_pulls_what_was_pushed(first: Member, s3: str, tmp_path: Path) -> None:
    run(first.folder, "dvc", "remote", "add", "--default", "--force", "team", f"s3://{BUCKET}/sprout")
    run(first.folder, "dvc", "remote", "modify", "team", "endpointurl", s3)
    commit_all(first.folder)
    assert " pushed" in run(first.folder, "dvc", "push")
    git(tmp_path, "clone", "--quiet", str(first.folder), "clone")
    clone = tmp_path / "clone"
    run(clone, "dvc", "pull")
    assert "up to date" in run(clone, "dvc", "status")
    assert "in sync" in run(clone, "dvc", "status", "--cloud")
    model = "models/student/model.safetensors"
    assert (clone / model).read_bytes() == (first.folder / model).read_bytes()


def test_the_dashboard_shows_a_study(first: Member, tmp_path: Path) -> None:
    database, port = first.folder / "mlruns/sweeps/digits-default/study.db", free_port()
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), f"sqlite:///{database}", "--port", str(port)]
    dashboard, address = Service(command, tmp_path / "log"), f"http://127.0.0.1:{port}"
    dashboard.start()
    try:
        dashboard.wait(lambda: answers(f"{address}/dashboard"))
        assert "Optuna Dashboard" in fetch(f"{address}/dashboard")
        (study,) = json.loads(fetch(f"{address}/api/studies"))["study_summaries"]
        assert study["study_name"] == "digits-default"
        trials = json.loads(fetch(f"{address}/api/studies/{study['study_id']}?after=0"))["trials"]
        assert len(trials) == 2
        assert {"train.lr", "train.batch_size"} <= {param["name"] for param in trials[0]["params"]}
    finally:
        dashboard.end()


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
        return str(answer.read(), "utf-8")
