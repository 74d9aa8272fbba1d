"""A workspace that is moved or copied keeps its runs: the store names no place where it was."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from sprout.tracking import tracking_uri
from sprout.tracking.connection import connect
from tracked_runs import artifacts, make_build, model_folder, outbox, raise_os_error, runs_of, track

IMAGE = np.zeros((1, 4, 4, 1), np.uint8)


@pytest.fixture
def first(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, whose name needs quoting in a URI, with one tracked training and its model."""
    workspace = root / "first one"
    workspace.mkdir()
    (root / "mlruns").rename(workspace / "mlruns")
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    with track(make_build(), "teacher", tracking_uri()) as run:
        run.log_model(model_folder(workspace), IMAGE)
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # those who come after a move are other processes
    return workspace


def move(workspace: Path) -> Path:
    """Move a workspace, and leave something at its place that cannot be made a folder."""
    moved = workspace.rename(workspace.with_name("second"))
    workspace.write_text("taken\n")
    return moved


def copy(workspace: Path) -> Path:
    """Copy a workspace, and leave it where it is."""
    return Path(shutil.copytree(workspace, workspace.with_name("second")))


def texts(file: Path) -> set[str]:
    """Every text of a SQLite database."""
    with closing(sqlite3.connect(file)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in db.execute(f"SELECT * FROM {table}")]  # noqa: S608
    return {value for row in rows for value in row if isinstance(value, str)}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("take", [move, copy])
def test_runs_go_where_the_workspace_is(
    first: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    second = take(first)
    before = files(first / "mlruns" / "artifacts")
    monkeypatch.setenv("DVC_ROOT", str(second))
    uri = tracking_uri()
    with track(make_build(), "student", uri) as run:
        run.log_model(second / "model", IMAGE)
    teacher, student = (runs_of(uri, role=role)[0] for role in ("teacher", "student"))
    assert artifacts(uri, teacher) == artifacts(uri, student) == {"config.yaml"}
    models = connect(uri).search_logged_models([teacher.info.experiment_id])
    here = (second / "mlruns" / "artifacts").as_uri()
    assert {each.artifact_location.startswith(f"{here}/digits/models/") for each in models} == {True}
    assert [
        text for text in texts(second / "mlruns" / "mlflow.db") if first.as_uri() in text or str(first) in text
    ] == []
    assert files(first / "mlruns" / "artifacts") == before
    assert capfd.readouterr().err == ""


def test_artifacts_elsewhere_keep_their_addresses(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(tracking_uri()).create_experiment("shared", "s3://bucket/mlruns/artifacts/shared")
    connect(tracking_uri()).create_experiment("disk", "file:///disk/runs")
    monkeypatch.setenv("DVC_ROOT", str(move(first)))
    client = connect(tracking_uri())
    assert client.get_experiment_by_name("shared").artifact_location == "s3://bucket/mlruns/artifacts/shared"
    assert client.get_experiment_by_name("disk").artifact_location == "file:///disk/runs"


def test_artifacts_of_another_workspace_in_this_store_stay_there(first: Path) -> None:
    other = (first.parent / "other" / "mlruns" / "artifacts" / "shared").as_uri()
    (first.parent / "other" / "mlruns" / "artifacts" / "shared").mkdir(parents=True)
    connect(tracking_uri()).create_experiment("shared", other)
    assert connect(tracking_uri()).get_experiment_by_name("shared").artifact_location == other


@pytest.mark.parametrize("earlier_version", [False, True])
def test_records_of_a_killed_run_go_to_the_store_beside_them(
    first: Path, monkeypatch: pytest.MonkeyPatch, earlier_version: bool
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        with track(make_build(), "student", tracking_uri()) as run:
            run.log_metrics({"loss": 1.0})
    second = move(first)
    (journal,) = outbox(second)
    assert str(first) not in (journal / "journal.jsonl").read_text()
    if earlier_version:
        start, *rest = (journal / "journal.jsonl").read_text().splitlines(keepends=True)
        fields = json.loads(start)
        assert fields.pop("store") == "sqlite:///mlruns/mlflow.db"
        fields["uri"] = f"sqlite:///{first}/mlruns/mlflow.db"
        (journal / "journal.jsonl").write_text("".join([json.dumps(fields), "\n", *rest]))
    monkeypatch.setenv("DVC_ROOT", str(second))
    with track(make_build(), "train", tracking_uri(), nested=False):
        pass
    (student,) = runs_of(tracking_uri(), role="student")
    assert (student.info.status, student.data.metrics) == ("FINISHED", {"loss": 1.0})
    assert outbox(second) == []
    assert first.is_file()
