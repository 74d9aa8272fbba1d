"""Tracking, on real MLflow stores."""

import ast
import contextlib
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import yaml

import sprout
from handmade import model, save
from sprout.config.workspace import Build
from sprout.evaluate.record import track_evaluation
from sprout.runtime.errors import UserError
from sprout.tracking import (
    GitState,
    all_sent,
    build_run,
    data_hashes,
    git_state,
    record_restored,
    tracked_run,
    tracking_uri,
    ui,
)
from sprout.tracking.connection import hide_password, store_lock
from sprout.tracking.describe import params_of
from sprout.tracking.logged_model import REQUIREMENTS
from sprout.tracking.outbox.journal import waiting
from sprout.tracking.outbox.sender import PATIENCE
from sprout.tracking.owner import here

SOURCE = Path(sprout.__file__).parent
LONG = 240.0  # seconds; guards against hanging alone
SLACK = 30.0  # seconds that a loaded machine may take for what is done at once
DIGEST = "0123456789abcdef0123456789abcdef.dir"
CONFIG = {"experiment": "digits", "train": {"lr": 0.1, "widths": [8, 16], "warm": None}, "sweep": None}


def make_build(seed=0):
    config = {**CONFIG, "seed": seed}
    return Build(config_text=yaml.safe_dump(config), config=config)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store without runs, made once: creating one takes seconds."""
    from sprout.tracking.connection import connect

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture
def root(tmp_path, monkeypatch, empty_store):
    """A workspace with an empty store."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path


def client_of(uri):
    from sprout.tracking.connection import connect

    return connect(uri)


def runs_of(uri, **tags):
    """The runs that carry the tags `sprout.<name>`, oldest first."""
    client = client_of(uri)
    terms = " and ".join(f"tags.`sprout.{key}` = '{value}'" for key, value in tags.items())
    experiments = [each.experiment_id for each in client.search_experiments()]
    return list(client.search_runs(experiments, terms, order_by=["attributes.start_time ASC"]))


def points(uri, run, metric):
    return [(m.step, m.value) for m in client_of(uri).get_metric_history(run.info.run_id, metric)]


def artifacts(uri, run, folder=None):
    return {each.path for each in client_of(uri).list_artifacts(run.info.run_id, folder)}


def outbox(root):
    return waiting(root / "mlruns" / "outbox")


def start_process(code, root, **environment):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "DVC_ROOT": str(root), **environment}
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=root, stdout=pipe, stderr=pipe, text=True)


SCRIPT = """
import sys, time
from sprout.config.workspace import Build
from sprout.tracking import tracked_run, tracking_uri
build = Build(config_text="experiment: digits", config={"experiment": "digits"})
with tracked_run(build, sys.argv[1] if len(sys.argv) > 1 else "teacher", tracking_uri()) as run:
    run.log_metrics({"loss": 1.0}, step=1)
"""


def test_import_is_light():
    code = "import sys, sprout.tracking; print([m for m in ('mlflow', 'torch', 'pandas') if m in sys.modules])"
    out, err = start_process(code, SOURCE).communicate(timeout=LONG)
    assert (out.strip(), err) == ("[]", "")


def test_run_carries_its_origin_and_metrics(root, capfd):
    (root / "page.html").write_text("<p>")
    build, uri = make_build(), tracking_uri()
    git = GitState("c0ffee", "--- a\n+++ b\n")
    with tracked_run(build, "teacher", uri, {"data/prepared": DIGEST}, git, {"who": "me"}) as run:
        threads = [
            threading.Thread(target=lambda n=n: [run.log_metrics({n: i}, step=i) for i in range(50)]) for n in "abc"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.log_metrics({"f1 (ä)": np.float32(0.5), "lost": float("nan"), "not known": None})
        run.log_artifact(root / "page.html", "report")

    (teacher,) = runs_of(uri, role="teacher")
    (parent,) = runs_of(uri, role="build")
    assert client_of(uri).get_experiment(teacher.info.experiment_id).name == "digits"
    assert (teacher.info.status, parent.info.status) == ("FINISHED", "SCHEDULED")
    for each in (teacher, parent):
        assert each.data.params["train.lr"] == "0.1"
        assert each.data.params["train.widths"] == "[8, 16]"
        assert each.data.params["train.warm"] == "null"
        assert each.data.tags["sprout.build"] == build.name
        assert each.data.tags["sprout.git.commit"] == "c0ffee"
        assert each.data.tags["sprout.git.dirty"] == "true"
        assert each.data.tags["sprout.data.data/prepared"] == DIGEST
        (read,) = each.inputs.dataset_inputs
        assert (read.dataset.name, read.dataset.digest) == ("data/prepared", DIGEST)
        assert {"config.yaml", "git.diff"} <= artifacts(uri, each)
    assert teacher.data.tags["sprout.pid"] == str(os.getpid())
    assert parent.data.tags["sprout.pid"] == str(os.getppid())  # which would start the next stage
    assert parent.info.run_name == build.name
    assert teacher.info.run_name == "teacher"
    assert teacher.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert teacher.data.tags["who"] == "me"
    assert artifacts(uri, teacher, "report") == {"report/page.html"}
    kept = root / "mlruns" / "artifacts" / "digits" / teacher.info.run_id / "artifacts"
    assert yaml.safe_load((kept / "config.yaml").read_text())["experiment"] == "digits"
    for n in "abc":
        assert points(uri, teacher, n) == [(i, float(i)) for i in range(50)]
    assert teacher.data.metrics["f1 _ä_"] == 0.5
    assert np.isnan(teacher.data.metrics["lost"])
    assert list((root / "mlruns" / "outbox").iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "status", "builds", "reason"),
    [
        (ValueError("loss is nan\nat step 3"), "FAILED", "FAILED", "ValueError: loss is nan"),
        (KeyboardInterrupt(), "KILLED", "KILLED", "KeyboardInterrupt"),
        (SystemExit(143), "KILLED", "KILLED", "SystemExit: 143"),
        (SystemExit(2), "FAILED", "FAILED", "SystemExit: 2"),
        (SystemExit(0), "FINISHED", "SCHEDULED", None),
    ],
)
def test_status_says_how_the_run_ended(root, error, status, builds, reason):
    uri = tracking_uri()
    with pytest.raises(type(error)), tracked_run(make_build(), "teacher", uri):
        raise error
    (teacher,), (parent,) = runs_of(uri, role="teacher"), runs_of(uri, role="build")
    assert (teacher.info.status, parent.info.status) == (status, builds)
    assert teacher.data.tags.get("sprout.reason") == reason


def builds_status(uri):
    (parent,) = runs_of(uri, role="build")
    return parent.info.status


def wait_for(condition, what):
    """The store hears of things in the background."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_build_has_the_status_of_what_ended_last(root):
    build, uri = make_build(), tracking_uri()
    with pytest.raises(ValueError, match="no"), tracked_run(build, "teacher", uri):
        raise ValueError("no")
    with tracked_run(build, "student", uri):
        wait_for(lambda: builds_status(uri) == "RUNNING", "the build goes on")
    assert builds_status(uri) == "SCHEDULED"
    with build_run(build, uri, {"data/pseudo_labels": DIGEST}) as run:
        wait_for(lambda: builds_status(uri) == "RUNNING", "the build goes on")
        run.log_metrics({"test_accuracy": 0.9})
    (parent,) = runs_of(uri, build=build.name, role="build")
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"test_accuracy": 0.9}
    assert [each.dataset.name for each in parent.inputs.dataset_inputs] == ["data/pseudo_labels"]
    assert len(runs_of(uri, build=build.name)) == 3


def test_failed_evaluation_fails_the_build(root):
    build, uri = make_build(), tracking_uri()
    with tracked_run(build, "teacher", uri):
        pass
    with pytest.raises(ValueError, match="no"), build_run(build, uri):
        raise ValueError("no")
    assert builds_status(uri) == "FAILED"
    assert runs_of(uri, role="teacher")[0].info.status == "FINISHED"


@pytest.mark.parametrize(("evaluated", "status"), [(False, "KILLED"), (True, "FINISHED")])
def test_build_does_not_wait_for_a_dead_process(root, evaluated, status):
    """Its `dvc` has ended after the teacher: killed, or since it found that the evaluation still holds."""
    build, uri = make_build(), tracking_uri()
    if evaluated:
        with build_run(build, uri):
            pass
    with tracked_run(build, "teacher", uri):
        pass
    (waiting_build,) = runs_of(uri, role="build")
    with tracked_run(make_build(1), "train", uri, nested=False):
        pass
    assert builds_status(uri) == "SCHEDULED"
    client_of(uri).set_tag(waiting_build.info.run_id, "sprout.process_created", "0.0")
    with tracked_run(make_build(1), "train", uri, nested=False):
        pass
    (parent,) = runs_of(uri, role="build")
    assert parent.info.status == status
    assert parent.data.tags.get("sprout.reason") == (None if evaluated else "the build ended before its evaluation")
    with tracked_run(build, "student", uri):
        pass
    assert builds_status(uri) == "SCHEDULED"
    assert "sprout.reason" not in runs_of(uri, role="build")[0].data.tags


def test_journal_that_arrives_late_leaves_the_build_finished(root, monkeypatch):
    build, uri = make_build(), tracking_uri()
    with monkeypatch.context() as patch:
        patch.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        patch.setattr("sprout.tracking.outbox.sender.PATIENCE", 0.0)
        with tracked_run(build, "teacher", uri):
            pass
    wait_for(lambda: "sprout-tracking" not in {thread.name for thread in threading.enumerate()}, "it has given up")
    away = (root / "mlruns" / "outbox").rename(root / "away")
    with build_run(build, uri):
        pass
    shutil.rmtree(root / "mlruns" / "outbox")
    away.rename(root / "mlruns" / "outbox")
    with tracked_run(make_build(1), "train", uri, nested=False):
        pass
    assert runs_of(uri, role="teacher")[0].info.status == "FINISHED"
    assert builds_status(uri) == "FINISHED"


def raise_os_error(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_journal_that_cannot_be_made_stops_nothing(root, monkeypatch, capfd):
    (root / "mlruns" / "outbox").write_text("in the way of the folder")
    with tracked_run(make_build(), "teacher", tracking_uri()) as run:
        run.log_metrics({"loss": 1.0})
        run.log_artifact(root / "mlruns" / "mlflow.db")
        run.log_model(model_folder(root), np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="own"), tracked_run(make_build(), "teacher", tracking_uri()):
        raise ValueError("its own")
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"sprout: {root}/mlruns/outbox cannot be written (")
    assert first.endswith("what the teacher's run says from here on is lost; the work itself goes on")
    assert second.startswith("sprout: ")
    assert runs_of(tracking_uri()) == []


@pytest.mark.parametrize("refused", ["write", "keep", "short write"])
def test_full_disk_stops_nothing(root, monkeypatch, capfd, refused):
    """What was written before is sent, and so is how the run ended."""
    uri = tracking_uri()
    with tracked_run(make_build(), "teacher", uri) as run:
        run.log_metrics({"loss": 1.0}, step=1)
        if refused == "keep":
            monkeypatch.setattr("sprout.tracking.outbox.journal.shutil.copyfile", raise_os_error)
            run.log_artifact(root / "mlruns" / "mlflow.db")
        else:
            monkeypatch.setattr(run._journal, "_file", FullDisk(run._journal._file, refused == "write"))
        for epoch in range(2, 5):
            run.log_metrics({"loss": 1.0}, step=epoch)
    (teacher,) = runs_of(uri, role="teacher")
    assert (teacher.info.status, builds_status(uri)) == ("FINISHED", "SCHEDULED")
    assert points(uri, teacher, "loss") == [(1, 1.0)]
    (line,) = capfd.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert outbox(root) == []


class FullDisk:
    """A journal's file on a disk that takes nothing more, or the first half of a line."""

    def __init__(self, file, at_once):
        self.file, self.at_once, self.close = file, at_once, file.close

    def write(self, line):
        return raise_os_error() if self.at_once else self.file.write(line[: len(line) // 2])


def test_run_of_its_own_has_no_parent(root):
    with tracked_run(make_build(), "train", tracking_uri(), nested=False):
        pass
    (run,) = runs_of(tracking_uri(), build=make_build().name)
    assert (run.info.run_name, run.info.status) == ("train", "FINISHED")
    assert "mlflow.parentRunId" not in run.data.tags


def test_run_that_is_not_waited_for_is_sent_by_the_end_of_the_block(root):
    uri = tracking_uri()
    with store_lock(uri):  # the store takes nothing while this is held
        sent = contextlib.ExitStack()
        sent.enter_context(all_sent())
        with tracked_run(make_build(), "trial", uri, nested=False, waits=False) as run:
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
            with tracked_run(make_build(), "trial", uri, nested=False, waits=False):
                pass
            assert len(outbox(root)) <= 1
    assert len(runs_of(uri, role="trial")) == 4


def test_run_that_is_not_waited_for_is_kept_where_the_store_fails(root, monkeypatch, capfd):
    uri = tracking_uri()
    with monkeypatch.context() as broken:
        broken.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        with all_sent(), tracked_run(make_build(), "trial", uri, nested=False, waits=False):
            pass
    assert len(outbox(root)) == 1
    assert "cannot be used now" in capfd.readouterr().err
    with tracked_run(make_build(), "train", uri, nested=False):
        pass
    (trial,) = runs_of(uri, role="trial")
    assert trial.info.status == "FINISHED"
    assert outbox(root) == []


def test_restored_stage_is_recorded_once(root):
    folder, build, uri = root / "teacher", make_build(), tracking_uri()
    folder.mkdir()
    (folder / "history.csv").write_text("epoch,train_loss,val_loss\n1,0.9,\n2,0.5,0.6\n")
    (folder / "metrics.json").write_text(json.dumps({"val_accuracy": 0.8, "time": {"epochs": 2}}))
    for _ in range(2):
        record_restored(build, "teacher", folder, uri, {"data/prepared": DIGEST}, GitState("c0ffee", ""))
    (teacher,), (parent,) = runs_of(uri, role="teacher"), runs_of(uri, role="build")
    assert (teacher.info.status, parent.info.status) == ("FINISHED", "SCHEDULED")
    assert teacher.data.tags["sprout.git.commit"] == "c0ffee"
    assert [each.dataset.digest for each in teacher.inputs.dataset_inputs] == [DIGEST]
    assert teacher.data.tags["sprout.restored"] == "true"
    assert "sprout.restored" not in parent.data.tags
    assert teacher.data.params["train.lr"] == "0.1"
    assert points(uri, teacher, "train_loss") == [(1, 0.9), (2, 0.5)]
    assert points(uri, teacher, "val_loss") == [(2, 0.6)]
    assert points(uri, teacher, "time.epochs") == [(2, 2.0)]
    (folder / "history.csv").unlink()
    with pytest.raises(UserError, match=r"history\.csv is missing"):
        record_restored(build, "student", folder, uri, {}, GitState(None, ""))


@pytest.mark.parametrize("forgotten", [False, True])
def test_replay_doubles_nothing(root, monkeypatch, forgotten):
    """As after a crash before the journal is removed, or before it is noted how much of it has been sent."""
    uri = tracking_uri()
    with monkeypatch.context() as patch:
        patch.setattr("sprout.tracking.outbox.sender.discard", lambda folder: None)
        with tracked_run(make_build(), "teacher", uri) as run:
            run.log_model(model_folder(root), np.zeros((1, 4, 4, 1), np.uint8))
            for epoch in range(3):
                run.log_metrics({"loss": epoch}, step=epoch)
    (journal,) = outbox(root)
    if forgotten:
        (journal / "sent").unlink()
    with (journal / "journal.jsonl").open("ab") as file:
        file.write(b'{"op": "metri')  # a line that a kill has torn
    with tracked_run(make_build(1), "student", uri):
        pass
    (teacher,) = runs_of(uri, role="teacher")
    assert teacher.info.status == "FINISHED"
    assert points(uri, teacher, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert len(client_of(uri).search_logged_models([teacher.info.experiment_id])) == 1
    assert len(runs_of(uri, role="build")) == 2
    assert outbox(root) == []


def test_unreadable_journal_keeps_no_other_back(root, capfd):
    bad = root / "mlruns" / "outbox" / "1-bad"
    bad.mkdir(parents=True)
    (bad / "journal.jsonl").write_text("what?\n")
    with tracked_run(make_build(), "teacher", tracking_uri()):
        pass
    assert runs_of(tracking_uri(), role="teacher")[0].info.status == "FINISHED"
    assert outbox(root) == [bad]
    assert capfd.readouterr().err.startswith(f"sprout: {bad} cannot be sent now")


def test_dead_runs_become_killed(root):
    uri = tracking_uri()
    client = client_of(uri)
    experiment = client.create_experiment("digits", artifact_location=str(root))
    me = psutil.Process()

    def running(pid, created, **other):
        owner = {**here(), "sprout.pid": str(pid), "sprout.process_created": repr(created)}
        tags = {
            **owner,
            **{f"sprout.{key}": value for key, value in other.items()},
            "sprout.key": "gone",
            "sprout.role": "train",
        }
        return client.create_run(experiment, tags=tags).info.run_id

    alive = running(me.pid, me.create_time())
    again = running(me.pid, me.create_time() - 100)  # the pid has been given to another process
    elsewhere = [running(me.pid, 0.0, host="another-host"), running(me.pid, 0.0, machine="of the same name")]
    with tracked_run(make_build(), "teacher", uri):
        pass
    assert client.get_run(again).info.status == "KILLED"
    assert client.get_run(again).data.tags["sprout.reason"] == "the process died"
    assert client.get_run(alive).info.status == "RUNNING"
    assert [client.get_run(run).info.status for run in elsewhere] == ["RUNNING", "RUNNING"]


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
    with tracked_run(make_build(), "teacher", uri):
        pass
    killed = {run.data.tags["sprout.role"]: run for run in runs_of(uri, pid=process.pid)}
    assert {role: run.info.status for role, run in killed.items()} == {"build": "KILLED", "teacher": "KILLED"}
    assert points(uri, killed["teacher"], "loss") == [(1, 1.0)]
    assert not journal.exists()


@pytest.mark.slow
def test_two_first_starts_at_once(tmp_path):
    """One store, one experiment, one parent; and nothing on the console."""
    both = [start_process(SCRIPT, tmp_path) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=LONG) == ("", "")
        assert process.returncode == 0
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert len(runs_of(uri, role="build")) == 1
    assert len(runs_of(uri, role="teacher")) == 2
    assert builds_status(uri) == "SCHEDULED"
    assert {run.info.status for run in runs_of(uri, role="teacher")} == {"FINISHED"}
    assert {each.name for each in client_of(uri).search_experiments()} == {"Default", "digits"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.slow
def test_server_that_is_down_is_served_later(root, capfd):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    start = time.monotonic()
    with tracked_run(make_build(), "teacher", uri) as run:
        for epoch in range(100):
            run.log_metrics({"loss": epoch}, step=epoch)
        run.log_artifact(root / "mlruns" / "mlflow.db")
    assert time.monotonic() - start < PATIENCE + SLACK
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"sprout: the tracking store {uri} cannot be used now")
    assert " records are kept in " in line
    assert len(outbox(root)) == 1
    server = start_process(f"from sprout.tracking import tracking_uri, ui; ui(tracking_uri(), {port})", root)
    try:
        wait_for_answer(server, port)
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1 cannot be used"):
            ui(tracking_uri(), port)
        with tracked_run(make_build(), "student", uri) as run:
            run.log_metrics({"loss": 7}, step=0)
        teacher, student = (runs_of(uri, role=role)[0] for role in ("teacher", "student"))
        assert points(uri, teacher, "loss") == [(epoch, float(epoch)) for epoch in range(100)]
        assert points(uri, student, "loss") == [(0, 7.0)]
        assert artifacts(uri, teacher) == {"config.yaml", "mlflow.db"}
        assert {teacher.info.status, student.info.status} == {"FINISHED"}
        assert builds_status(uri) == "SCHEDULED"
        assert outbox(root) == []
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
        with tracked_run(make_build(), "teacher", uri) as run:
            start = time.monotonic()
            for epoch in range(1000):
                run.log_metrics({"loss": epoch}, step=epoch)
            assert time.monotonic() - start < SLACK
    assert time.monotonic() - start < PATIENCE + SLACK
    assert len(outbox(root)) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1


def model_folder(root):
    """A handed-on model, as far as tracking looks at it."""
    folder = root / "model"
    folder.mkdir()
    card = {"task": "classify", "classes": ["no", "yes"], "input_shape": [4, 4, 1]}
    (folder / "model.json").write_text(json.dumps(card))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1), np.uint8)
ROWS = np.random.default_rng(0).normal(0.5, 0.25, (3, 5)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "examples", "kind", "takes", "gives"),
    [
        ("classify", IMAGES, "classifier", "'uint8', (-1, 4, 4, 1)", "'float32', (-1, 3)"),
        ("regress", ROWS, "regressor", "'float32', (-1, 5)", "'float64', (-1,)"),
        ("reconstruct", IMAGES, "autoencoder", "'uint8', (-1, 4, 4, 1)", "'float32', (-1, 4, 4, 1)"),
        ("cluster", IMAGES, "clusterer", "'uint8', (-1, 4, 4, 1)", "'int64', (-1,)"),
    ],
    ids=["classifier", "regression", "reconstruction", "clustering"],
)
def test_logged_model_predicts_where_sprout_is_not_installed(root, task, examples, kind, takes, gives):
    made = model(task, examples.shape[1:])
    folder, uri = save(root / "teacher", made), tracking_uri()
    with tracked_run(make_build(), "teacher", uri) as run:
        run.log_model(folder, examples)
    (teacher,) = runs_of(uri, role="teacher")
    (logged,) = client_of(uri).search_logged_models([teacher.info.experiment_id])
    assert (logged.name, logged.status, logged.source_run_id) == ("teacher", "READY", teacher.info.run_id)
    assert logged.model_type == kind
    assert json.loads(logged.tags["sprout.classes"]) == ["a", "b", "c"]
    assert [each.model_id for each in teacher.outputs.model_outputs] == [logged.model_id]
    place = Path(urllib.request.url2pathname(logged.artifact_location.removeprefix("file://")))
    assert [path for path in place.rglob("*") if path.suffix in {".pkl", ".pickle", ".pt", ".pth"}] == []

    np.save(root / "examples.npy", examples)
    predicted, signature = predict_elsewhere(uri, logged.model_id, root)
    np.testing.assert_allclose(predicted, made.predict(examples), rtol=1e-5, atol=1e-7)
    assert signature == f"[Tensor({takes})] [Tensor({gives})]"


def predict_elsewhere(uri, model_id, root):
    """What the logged model says of `examples.npy`, in a process that does not know sprout."""
    code = f"""if True:
        import importlib.util, json, os, sys, mlflow, numpy as np
        sys.path = [path for path in sys.path if not os.path.isdir(os.path.join(path, "sprout"))]
        sys.path.append({str(Path(__file__).parent)!r})
        assert importlib.util.find_spec("sprout") is None
        mlflow.set_tracking_uri({uri!r})
        model = mlflow.pyfunc.load_model("models:/{model_id}")
        found = model.predict(np.load("examples.npy"))
        signature = model.metadata.signature
        print(json.dumps([found.tolist(), str(signature.inputs) + " " + str(signature.outputs)]))
    """
    out, err = start_process(code, root, PYTHONPATH="").communicate(timeout=LONG)
    assert out, err
    return json.loads(out.splitlines()[-1])


def test_requirements_are_what_inference_imports():
    seen, found, todo = set(), set(), ["sprout.models.predictor"]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for imported in imports_of(name):
            if imported.startswith("sprout"):
                todo.append(imported)
            elif imported.partition(".")[0] not in sys.stdlib_module_names:
                found.add(imported.partition(".")[0])
    assert found == set(REQUIREMENTS)


def imports_of(name):
    path = SOURCE.parent.joinpath(*name.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_ui_of_a_server_is_refused():
    with pytest.raises(UserError, match="http://host:5000, a server"):
        ui("http://me:secret@host:5000", 5001)


def test_password_is_not_shown():
    uri = "postgresql://me:secret@host/db"
    assert hide_password(f"no answer from {uri}", uri) == "no answer from postgresql://host/db"
    assert hide_password("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"


def test_params_are_legal():
    long = params_of({"a": {"b (%)": "x" * 9000, "empty": {}, "text": "0.1", "on": True}})
    assert len(long["a.b ___"]) == 6000
    assert long["a.b ___"].endswith("(cut; whole in config.yaml)")
    assert (long["a.empty"], long["a.text"], long["a.on"]) == ("{}", "0.1", "true")


def test_default_store_lies_in_the_workspace(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/main")
    assert tracking_uri() == "sqlite:////main/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert tracking_uri() == "http://host:5000"


def test_git_state(tmp_path):
    assert git_state(tmp_path) == GitState(None, "")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_state(tmp_path) == GitState(None, "")
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "dvc.lock").write_text("before\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    clean = git_state(tmp_path)
    assert clean.commit
    assert clean.diff == ""
    (tmp_path / "dvc.lock").write_text("behind\n")
    assert git_state(tmp_path) == clean
    subprocess.run([*git, "rm", "-q", "--cached", "dvc.lock"], check=True)
    assert git_state(tmp_path) == clean
    (tmp_path / "a.txt").write_text("two\n")
    (tmp_path / "b.txt").write_text("new\n")
    dirty = git_state(tmp_path)
    assert dirty.commit == clean.commit
    assert dirty.diff.startswith("untracked: b.txt\n")
    assert "-one\n+two\n" in dirty.diff


def test_data_hashes(tmp_path):
    assert data_hashes(tmp_path, ["data/raw"]) == {}
    out = {"path": "data/raw", "hash": "md5", "md5": DIGEST, "size": 1, "nfiles": 1}
    stages = {
        "download": {"cmd": "x", "outs": [out]},
        "prepare": {"cmd": "y", "deps": [{**out, "md5": "old"}]},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    assert data_hashes(tmp_path, ["data/raw", "data/prepared"]) == {"data/raw": DIGEST}


@pytest.mark.parametrize(("kept", "history"), [(None, "1,0.9\n"), ("teacher", "1,0.9\n"), ("teacher", "")])
def test_evaluation_ends_the_build_and_names_what_was_read(root, monkeypatch, kept, history):
    """Both models came from DVC's cache; a student that is the teacher has no run, a model without epochs no curves."""
    paths = ["data/prepared", "data/augmented", "data/pseudo_labels", "models/teacher", "models/student"]
    outs = [{"path": path, "md5": f"hash of {path}"} for path in paths]
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"all": {"outs": outs}}}))
    for role in ("teacher", "student"):
        (root / "models" / role).mkdir(parents=True)
        (root / "models" / role / "history.csv").write_text("epoch,train_loss\n" + history)
        (root / "models" / role / "metrics.json").write_text('{"val": {"accuracy": 0.8, "nmi": null}}')
    (root / "evaluation").mkdir()
    found = {
        "test": {role: {"accuracy": 0.7, "r2": None} for role in ("teacher", "student")},
        "pseudo_labels": {"accuracy": None},
    }
    (root / "evaluation" / "metrics.json").write_text(json.dumps(found))
    monkeypatch.chdir(root)
    monkeypatch.setattr("sprout.evaluate.record.load_card", lambda folder: SimpleNamespace(kept=kept))
    monkeypatch.setattr("sprout.evaluate.record.git_state", lambda folder: GitState("c0ffee", "--- a\n"))
    track_evaluation(make_build(), root / "evaluation")

    runs = {run.data.tags["sprout.role"]: run for run in runs_of(tracking_uri())}
    read = {"teacher": paths[:2], "student": paths[:3], "build": [paths[0], *paths[2:]]}
    assert set(runs) == {"teacher", "build"} | ({"student"} if kept is None else set())
    for role, run in runs.items():
        assert run.info.status == "FINISHED"
        assert (run.data.tags["sprout.git.commit"], run.data.tags["sprout.git.dirty"]) == ("c0ffee", "true")
        assert {path for path in paths if f"sprout.data.{path}" in run.data.tags} >= set(read[role])
    names = {role: {each.dataset.name for each in run.inputs.dataset_inputs} for role, run in runs.items()}
    assert names["teacher"] == set(paths[:2])
    assert names["build"] >= set(read["build"])
    assert names.get("student", set(paths[:3])) == set(paths[:3])
    assert runs["build"].data.metrics == {"test_accuracy_teacher": 0.7, "test_accuracy_student": 0.7}
    assert runs["teacher"].data.metrics == {"val.accuracy": 0.8} | ({"train_loss": 0.9} if history else {})


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
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    assert store.exists()
