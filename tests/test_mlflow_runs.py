"""The status of builds, and runs whose process has died."""

import shutil
import threading

import psutil
import pytest

from sprout.tracking import BUILD, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.tags import HOST, MACHINE, machine_tags
from tracked_runs import DIGEST, builds_status, make_build, raise_os_error, runs_of, track, wait_for


def test_build_has_the_status_of_what_ended_last(root):
    build, uri = make_build(), tracking_uri()
    with pytest.raises(ValueError, match="no"), track(build, "teacher", uri):
        raise ValueError("no")
    with track(build, "student", uri):
        wait_for(lambda: builds_status(uri) == "RUNNING", "the build continues")
    assert builds_status(uri) == "SCHEDULED"
    with track(build, BUILD, uri, {"data/pseudo_labels": DIGEST}) as run:
        wait_for(lambda: builds_status(uri) == "RUNNING", "the build continues")
        run.log_metrics({"test_accuracy": 0.9})
    (parent,) = runs_of(uri, build=build.name, role="build")
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"test_accuracy": 0.9}
    assert [each.dataset.name for each in parent.inputs.dataset_inputs] == ["pseudo_labels"]
    assert len(runs_of(uri, build=build.name)) == 3


def test_failed_evaluation_fails_the_build(root):
    build, uri = make_build(), tracking_uri()
    with track(build, "teacher", uri):
        pass
    with pytest.raises(ValueError, match="no"), track(build, BUILD, uri):
        raise ValueError("no")
    assert builds_status(uri) == "FAILED"
    assert runs_of(uri, role="teacher")[0].info.status == "FINISHED"


@pytest.mark.parametrize(("evaluated", "status"), [(False, "KILLED"), (True, "FINISHED")])
def test_build_does_not_wait_for_a_dead_process(root, evaluated, status):
    """Its `dvc` has ended after the teacher: killed, or since it found that the evaluation still holds."""
    build, uri = make_build(), tracking_uri()
    if evaluated:
        with track(build, BUILD, uri):
            pass
    with track(build, "teacher", uri):
        pass
    (waiting_build,) = runs_of(uri, role="build")
    with track(make_build(1), "train", uri, nested=False):
        pass
    assert builds_status(uri) == "SCHEDULED"
    connect(uri).set_tag(waiting_build.info.run_id, "mlflow.sprout.process_created", "0.0")
    with track(make_build(1), "train", uri, nested=False):
        pass
    (parent,) = runs_of(uri, role="build")
    assert parent.info.status == status
    assert parent.data.tags.get("sprout.reason") == (None if evaluated else "the build ended before its report")
    with track(build, "student", uri):
        pass
    assert builds_status(uri) == "SCHEDULED"
    assert "sprout.reason" not in runs_of(uri, role="build")[0].data.tags


def test_journal_that_arrives_late_leaves_the_build_finished(root, monkeypatch):
    build, uri = make_build(), tracking_uri()
    with monkeypatch.context() as patch:
        patch.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        patch.setattr("sprout.tracking.outbox.sender.PATIENCE", 0.0)
        with track(build, "teacher", uri):
            pass
    wait_for(lambda: "sprout-tracking" not in {thread.name for thread in threading.enumerate()}, "it has given up")
    away = (root / "mlruns" / "outbox").rename(root / "away")
    with track(build, BUILD, uri):
        pass
    shutil.rmtree(root / "mlruns" / "outbox")
    away.rename(root / "mlruns" / "outbox")
    with track(make_build(1), "train", uri, nested=False):
        pass
    assert runs_of(uri, role="teacher")[0].info.status == "FINISHED"
    assert builds_status(uri) == "FINISHED"


def test_dead_runs_become_killed(root):
    uri = tracking_uri()
    client = connect(uri)
    experiment = client.create_experiment("digits", artifact_location=str(root))
    me = psutil.Process()

    def running(pid, created, **other):
        owner = {**machine_tags(), "mlflow.sprout.pid": str(pid), "mlflow.sprout.process_created": repr(created)}
        tags = {
            **owner,
            **other,
            "mlflow.sprout.key": "gone",
            "sprout.role": "train",
        }
        return client.create_run(experiment, tags=tags).info.run_id

    alive = running(me.pid, me.create_time())
    again = running(me.pid, me.create_time() - 100)  # the pid has been given to another process
    elsewhere = [running(me.pid, 0.0, **{name: "another"}) for name in (HOST, MACHINE)]
    with track(make_build(), "teacher", uri):
        pass
    assert client.get_run(again).info.status == "KILLED"
    assert client.get_run(again).data.tags["sprout.reason"] == "the process died"
    assert client.get_run(alive).info.status == "RUNNING"
    assert [client.get_run(run).info.status for run in elsewhere] == ["RUNNING", "RUNNING"]
