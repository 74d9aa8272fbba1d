"""What a user deleted in MLflow is named, with the command that restores it; nothing is lost meanwhile."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sprout.tracking import tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.deleted import restore_command
from tracked_runs import make_build, outbox, points, runs_of, track, wait_for
from warm_python import warm_python


def restore(printed: str) -> None:
    """Run the command that a line names in backquotes."""
    command = re.search(r"`(MLFLOW_TRACKING_URI=[^`]* restore [^`]*)`", printed)
    assert command is not None, printed
    uri, *words = shlex.split(command[1])
    name, _, value = uri.partition("=")
    assert words[0] == "mlflow"
    subprocess.run(["env", f"{name}={value}", warm_python(), "-m", *words], check=True, capture_output=True)


def send_all() -> None:
    with track(make_build(1), "train", tracking_uri(), nested=False):
        pass


def test_deleted_experiment_keeps_its_records_until_it_is_restored(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = tracking_uri()
    send_all()
    connect(uri).delete_experiment(connect(uri).get_experiment_by_name("digits").experiment_id)
    with track(make_build(), "teacher", uri) as run:
        run.log_metrics({"loss": 1.0})
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "the MLflow experiment digits is deleted" in said
    assert "UNIQUE" not in said
    assert len(outbox(root)) == 1
    restore(said)
    send_all()
    (teacher,) = runs_of(uri, role="teacher")
    assert (teacher.info.status, teacher.data.metrics) == ("FINISHED", {"loss": 1.0})
    assert outbox(root) == []


def test_run_deleted_while_it_trains_gets_all_of_its_records_once_it_is_restored(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = tracking_uri()
    with track(make_build(), "teacher", uri) as run:
        run.log_metrics({"loss": 1.0}, step=0)
        wait_for(lambda: any(points(uri, each, "loss") for each in runs_of(uri, role="teacher")), "the store has it")
        (teacher,) = runs_of(uri, role="teacher")
        connect(uri).delete_run(teacher.info.run_id)
        run.log_metrics({"loss": 2.0}, step=1)
    said = capfd.readouterr().err
    assert f"the MLflow run {teacher.info.run_id} is deleted" in said
    send_all()
    assert runs_of(uri, role="teacher") == []
    assert len(outbox(root)) == 1
    restore(said)
    send_all()
    (found,) = runs_of(uri, role="teacher")
    assert found.info.run_id == teacher.info.run_id
    assert points(uri, found, "loss") == [(0, 1.0), (1, 2.0)]
    assert outbox(root) == []


def test_build_whose_run_was_deleted_gets_a_new_one_and_the_old_one_is_named(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = tracking_uri()
    with track(make_build(), "teacher", uri):
        pass
    (build,) = runs_of(uri, role="build")
    connect(uri).delete_run(build.info.run_id)
    with track(make_build(), "student", uri):
        pass
    assert len(runs_of(uri, role="build")) == 1
    assert f"the MLflow run {build.info.run_id} is deleted; restore it: " in capfd.readouterr().err


def test_command_shows_no_password() -> None:
    assert restore_command("https://me:pw@host", "run", "5") == "`mlflow runs restore --run-id 5`"
