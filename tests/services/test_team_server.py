"""A team's server: what two members build and train is there once, and every command reads it from there."""

import csv
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from conftest import Member
from running import TrackingServer
from sprout.data.store import open_store
from sprout.models.predictor import load_predictor
from sprout.tracking import HANDED_ON
from sprout.tracking.connection import connect
from tracked_runs import artifacts, outbox, points
from workspaces import copy_workspace, start

Tracked = dict[str, list[Any]]


def curves(uri: str, run: Any) -> dict[str, list[tuple[int, float]]]:
    """All points of a run."""
    return {name: points(uri, run, name) for name in run.data.metrics}


def test_the_server_has_what_the_first_member_has_built(first: Member, tracked: Tracked) -> None:
    expected = {"build": 1, "sweep": 1, "teacher": 1, "control": 1, "student": 1, "trial": 2}
    assert {kind: len(runs) for kind, runs in tracked.items()} == expected
    assert {run.info.status for runs in tracked.values() for run in runs} == {"FINISHED"}
    assert outbox(first.folder) == []
    assert not list(first.folder.glob("mlruns/*.db"))


def test_each_metric_is_there_once(first: Member, tracked: Tracked) -> None:
    for run in (run for runs in tracked.values() for run in runs):
        for name, had in curves(first.uri, run).items():
            assert len({step for step, _ in had}) == len(had), (run.info.run_name, name)
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
    assert list(server.artifacts.rglob("report/index.html"))
    assert not (first.folder / "mlruns/artifacts").exists()


def test_a_logged_model_is_loaded_from_the_server(
    first: Member, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    (output,) = tracked["teacher"][0].outputs.model_outputs
    mlflow.set_tracking_uri(first.uri)
    monkeypatch.syspath_prepend(first.folder / "src")  # undoes what the model's code adds to sys.path
    images = np.array(open_store(first.folder / "data/prepared/test").shards[0][:8])
    served = mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(images)
    local = load_predictor(first.folder / "models/teacher").predict(images)
    np.testing.assert_allclose(served, local, rtol=1e-5, atol=1e-7)


READING = {
    "runs experiment=digits best=1": "digits train.epochs=2",
    "show {build}": "the {handed_on} is handed on",
    "show {sweep}": "sweep digits-default #1",
    "compare {build} {sweep}": "B against A: sweep digits-default is no build that has ended",
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
