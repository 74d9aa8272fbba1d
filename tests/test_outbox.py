"""Journals are sent in the background, once, or by a later run if the store or the process failed."""

import contextlib
import socket
import time
import urllib.request

import numpy as np
import psutil
import pytest

from servers import free_port
from sprout.runtime.errors import UserError
from sprout.tracking import all_sent, serve_ui, tracking_uri
from sprout.tracking.connection import connect, store_lock
from sprout.tracking.outbox.sender import PATIENCE, senders
from sprout.tracking.tags import PID
from tracked_runs import (
    LONG,
    SCRIPT,
    SLACK,
    artifacts,
    builds_status,
    make_build,
    model_folder,
    outbox,
    points,
    raise_os_error,
    runs_of,
    start_process,
    track,
    wait_for,
)


def test_run_that_is_not_waited_for_is_sent_by_the_end_of_the_block(root):
    uri = tracking_uri()
    with store_lock(uri):  # the store takes nothing while this is held
        sent = contextlib.ExitStack()
        sent.enter_context(all_sent())
        with track(make_build(), "trial", uri, nested=False, waits=False) as run:
            run.log_metrics({"loss": 1.0})
        assert len(outbox(root)) == 1
    sent.close()
    assert outbox(root) == []
    (trial,) = runs_of(uri, role="trial")
    assert trial.info.status == "FINISHED"


def test_of_runs_that_are_not_waited_for_one_is_behind_at_most(root):
    uri = tracking_uri()
    with all_sent():
        for _ in range(4):
            with track(make_build(), "trial", uri, nested=False, waits=False):
                pass
            assert len(outbox(root)) <= 1
    assert len(runs_of(uri, role="trial")) == 4


def test_run_that_is_not_waited_for_is_kept_where_the_store_fails(root, monkeypatch, capfd):
    uri = tracking_uri()
    with monkeypatch.context() as broken:
        broken.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        with all_sent(), track(make_build(), "trial", uri, nested=False, waits=False):
            pass
    assert len(outbox(root)) == 1
    assert "cannot be used now" in capfd.readouterr().err
    with track(make_build(), "train", uri, nested=False):
        pass
    (trial,) = runs_of(uri, role="trial")
    assert trial.info.status == "FINISHED"
    assert outbox(root) == []


def test_slow_store_holds_no_run_up_and_what_is_left_is_said(root, monkeypatch, capfd):
    monkeypatch.setattr("sprout.tracking.outbox.sender.LONGEST", 1.0)
    monkeypatch.setattr("sprout.tracking.outbox.sender.QUIET", 0.5)
    uri = tracking_uri()
    with store_lock(uri):  # the store takes nothing while this is held, and does not fail
        start = time.monotonic()
        with track(make_build(), "teacher", uri) as run:
            run.log_metrics({"loss": 1.0})
        assert 1.0 <= time.monotonic() - start < SLACK
        slow, left = capfd.readouterr().err.splitlines()
        assert slow.endswith("is slow; the run's end waits 1 seconds at most")
        assert f" 5 records are kept in {root}/mlruns/outbox and sent by the next tracked run" in left
        monkeypatch.setattr("sprout.tracking.outbox.sender.LONGEST", LONG)
        with track(make_build(), "student", uri):
            pass
        assert time.monotonic() - start < PATIENCE + SLACK  # the process has waited for this store before
        assert len(outbox(root)) == 2
    wait_for(lambda: not senders(), "what was under way ends")
    with track(make_build(), "train", uri, nested=False):
        pass
    assert outbox(root) == []
    assert {role: runs_of(uri, role=role)[0].info.status for role in ("teacher", "student")} == {
        "teacher": "FINISHED",
        "student": "FINISHED",
    }


@pytest.mark.parametrize("forgotten", [False, True])
def test_replay_doubles_nothing(root, monkeypatch, forgotten):
    """As after a crash before the journal is removed, or before it is noted how much of it has been sent."""
    uri = tracking_uri()
    with monkeypatch.context() as patch:
        patch.setattr("sprout.tracking.outbox.sender.discard", lambda folder: None)
        with track(make_build(), "teacher", uri) as run:
            run.log_model(model_folder(root), np.zeros((1, 4, 4, 1), np.uint8))
            for epoch in range(3):
                run.log_metrics({"loss": epoch}, step=epoch)
    (journal,) = outbox(root)
    if forgotten:
        (journal / "sent").unlink()
    with (journal / "journal.jsonl").open("ab") as file:
        file.write(b'{"op": "metri')  # a line that a kill has torn
    with track(make_build(1), "student", uri):
        pass
    (teacher,) = runs_of(uri, role="teacher")
    assert teacher.info.status == "FINISHED"
    assert points(uri, teacher, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert len(connect(uri).search_logged_models([teacher.info.experiment_id])) == 1
    assert len(runs_of(uri, role="build")) == 2
    assert outbox(root) == []


def test_unreadable_journal_keeps_no_other_back(root, capfd):
    bad = root / "mlruns" / "outbox" / "1-bad"
    bad.mkdir(parents=True)
    (bad / "journal.jsonl").write_text("what?\n")
    with track(make_build(), "teacher", tracking_uri()):
        pass
    assert runs_of(tracking_uri(), role="teacher")[0].info.status == "FINISHED"
    assert outbox(root) == [bad]
    assert capfd.readouterr().err.startswith(f"sprout: {bad} cannot be sent now")


@pytest.mark.slow
def test_run_killed_by_the_system_is_finished_by_the_next_start(root):
    uri = tracking_uri()
    process = start_process(SCRIPT + "    print('ready', flush=True); time.sleep(600)", root)
    assert process.stdout.readline() == "ready\n"
    wait_for(lambda: any((journal / "sent").exists() for journal in outbox(root)), "the store hears of it")
    assert process.poll() is None
    process.kill()
    process.communicate()
    (journal,) = outbox(root)
    assert {run.info.status for run in runs_of(uri)} == {"RUNNING"}
    with track(make_build(), "teacher", uri):
        pass
    killed = {run.data.tags["sprout.role"]: run for run in runs_of(uri) if run.data.tags[PID] == str(process.pid)}
    assert {role: run.info.status for role, run in killed.items()} == {"build": "KILLED", "teacher": "KILLED"}
    assert points(uri, killed["teacher"], "loss") == [(1, 1.0)]
    assert not journal.exists()


@pytest.mark.slow
def test_server_that_is_down_is_served_later(root, capfd):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    start = time.monotonic()
    with track(make_build(), "teacher", uri) as run:
        for epoch in range(100):
            run.log_metrics({"loss": epoch}, step=epoch)
        run.log_artifact(root / "mlruns" / "mlflow.db")
    assert time.monotonic() - start < PATIENCE + SLACK
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"sprout: the tracking store {uri} cannot be used now")
    assert " records are kept in " in line
    assert len(outbox(root)) == 1
    server = start_process(
        f"from sprout.tracking import serve_ui, tracking_uri; serve_ui(tracking_uri(), {port})", root
    )
    try:
        wait_for_answer(server, port)
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1"):
            serve_ui(tracking_uri(), port)
        with track(make_build(), "student", uri) as run:
            run.log_metrics({"loss": 7}, step=0)
        teacher, student = (runs_of(uri, role=role)[0] for role in ("teacher", "student"))
        assert points(uri, teacher, "loss") == [(epoch, float(epoch)) for epoch in range(100)]
        assert points(uri, student, "loss") == [(0, 7.0)]
        assert artifacts(uri, teacher) == {"config.yaml", "mlflow.db"}
        assert {teacher.info.status, student.info.status} == {"FINISHED"}
        assert builds_status(uri) == "SCHEDULED"
        assert outbox(root) == []
        made_in_the_page = connect(uri).get_experiment(connect(uri).create_experiment("page"))
        assert made_in_the_page.artifact_location.startswith((root / "mlruns" / "artifacts").as_uri())
        assert capfd.readouterr() == ("", "")
    finally:
        stop(server)


def wait_for_answer(server, port):
    def answers():
        assert server.poll() is None, server.communicate()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30):
            return True
        return False

    wait_for(answers, "the server answers")


def stop(process):
    tree = [*psutil.Process(process.pid).children(recursive=True), process]
    for each in tree:
        each.kill()
    process.communicate()


def test_server_that_never_answers_holds_nothing_up(root, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # then the end knows that the store has failed
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        uri = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with track(make_build(), "teacher", uri) as run:
            start = time.monotonic()
            for epoch in range(1000):
                run.log_metrics({"loss": epoch}, step=epoch)
            assert time.monotonic() - start < SLACK
    assert time.monotonic() - start < PATIENCE + SLACK
    assert len(outbox(root)) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
