"""The tracking store: where it is, and that it is created once."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sprout.runtime.errors import UserError
from sprout.tracking import serve_ui, tracking_uri
from sprout.tracking.address import absolute, hide_password, portable, with_secrets, without_secrets
from sprout.tracking.connection import connect
from sprout.tracking.describe import store_of
from sprout.tracking.outbox.journal import read_records
from tracked_runs import LONG, SCRIPT, builds_status, make_build, outbox, runs_of, start_process, track
from warm_python import warm_python


@pytest.mark.slow
def test_two_first_starts_at_once(tmp_path):
    """One store, one experiment, one parent; and nothing on the console."""
    both = [start_process(SCRIPT, tmp_path, warm_python()) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=LONG) == ("", "")
        assert process.returncode == 0
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert len(runs_of(uri, role="build")) == 1
    assert len(runs_of(uri, role="teacher")) == 2
    assert builds_status(uri) == "SCHEDULED"
    assert {run.info.status for run in runs_of(uri, role="teacher")} == {"FINISHED"}
    assert {each.name for each in connect(uri).search_experiments()} == {"Default", "digits"}


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path) -> None:
    """MLflow makes its tables step by step; a process killed halfway leaves nothing under the store's name."""
    store = tmp_path / "mlruns" / "mlflow.db"
    code = f"from sprout.tracking.connection import connect; connect('sqlite:///{store}')"
    env = os.environ | {"PYTHONPATH": str(Path("src").absolute()), "DVC_ROOT": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env)
    end = time.monotonic() + LONG
    while not list(tmp_path.glob("mlruns/new-*/mlflow.db")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not store.exists()
    subprocess.run([warm_python(), "-c", code], cwd=tmp_path, env=env, check=True)
    assert store.exists()


@pytest.mark.parametrize("loss", ["emptied", "removed", "replaced"])
def test_store_that_lost_its_runs_says_so_once(root, empty_store, loss):
    """In processes of their own, as MLflow keeps a file open that another one has replaced."""
    assert track_in_a_process(root) == ""
    (teacher,) = runs_of(tracking_uri(), role="teacher")
    file = root / "mlruns" / "mlflow.db"
    file.unlink()
    if loss == "emptied":
        file.touch()
    elif loss == "replaced":
        shutil.copy(empty_store, file)
    said = track_in_a_process(root)
    assert f"does not know the run {teacher.info.run_id}" in said
    assert said.count("\n") == 1
    assert track_in_a_process(root) == ""
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (3,)  # the build's, and two of the teacher
        (place,) = db.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    assert place == (root / "mlruns" / "artifacts" / "0").as_uri()


def track_in_a_process(root):
    """Track one run; what the process prints on stderr."""
    out, err = start_process(SCRIPT, root, warm_python()).communicate(timeout=LONG)
    assert out == ""
    return err


def test_default_store_lies_in_the_workspace(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/main")
    assert tracking_uri() == "sqlite:////main/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert tracking_uri() == "http://host:5000"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///team.db?timeout=9", "sqlite:////main/team.db?timeout=9"),
        ("sqlite:////disk/team.db", "sqlite:////disk/team.db"),
        ("./runs", "/main/runs"),
        ("file:runs", "file:///main/runs"),
        ("postgresql://me:pw@host/db", "postgresql://me:pw@host/db"),
        ("databricks", "databricks"),
    ],
)
def test_relative_path_of_a_store_is_one_of_the_main_workspace(tmp_path, monkeypatch, given, used):
    """DVC deletes the copy of the workspace in which it runs an experiment."""
    monkeypatch.setenv("DVC_ROOT", "/main")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == used
    assert with_secrets(absolute(portable(used))) == used
    assert "/main" not in portable(used)


def test_default_store_is_found_from_a_folder_below(project, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir("conf/train")
    assert tracking_uri() == f"sqlite:///{project}/mlruns/mlflow.db"


def test_password_is_not_shown():
    uri = "postgresql://me:secret@host/db"
    assert hide_password(f"no answer from {uri}", uri) == "no answer from postgresql://host/db"
    assert hide_password("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"


def test_a_server_that_does_not_answer_has_no_page():
    with pytest.raises(UserError, match=r"the tracking store http://127\.0\.0\.1:9: cannot be used: ") as caught:
        serve_ui("http://me:secret@127.0.0.1:9", 5001)
    assert "secret" not in str(caught.value)


PRIVATE_URI = "http://me:hunter2@127.0.0.1:9/mlflow?api_key=hunter3&timeout=5"


def test_a_journal_keeps_no_secret_of_its_store(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", PRIVATE_URI)
    monkeypatch.setattr("sprout.tracking.outbox.sender.PATIENCE", 0.1)
    with track(make_build(), "teacher", tracking_uri()):
        pass
    (journal,) = outbox(root)
    kept = b"".join(path.read_bytes() for path in (root / "mlruns").rglob("*") if path.is_file())
    assert b"hunter" not in kept
    assert b"127.0.0.1:9/mlflow?api_key=***&timeout=5" in kept
    start = next(read_records(journal, 0))[0]
    assert store_of(start) == PRIVATE_URI  # with the secrets in the environment
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://another:host@127.0.0.1:9")
    assert store_of(start) == "http://127.0.0.1:9/mlflow?api_key=***&timeout=5"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (
            "postgresql://me:pw@host/db?sslpassword=s&sslmode=require",
            "postgresql://host/db?sslpassword=***&sslmode=require",
        ),
        ("https://token@host", "https://host"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("https://host/?monkey=1", "https://host/?monkey=1"),
    ],
)
def test_a_uri_without_secrets(uri, shown):
    assert without_secrets(uri) == shown
