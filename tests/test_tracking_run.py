"""Tracked runs, on real MLflow stores."""

import json
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import yaml

from sprout.runtime.errors import UserError
from sprout.tracking import GitState, RunInfo, record_restored, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.describe import title
from tracked_runs import (
    DIGEST,
    LONG,
    SOURCE,
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
)


def test_import_is_light():
    code = "import sys, sprout.tracking; print([m for m in ('mlflow', 'torch', 'pandas') if m in sys.modules])"
    out, err = start_process(code, SOURCE).communicate(timeout=LONG)
    assert (out.strip(), err) == ("[]", "")


def test_run_carries_its_origin_and_metrics(root, capfd):
    (root / "page.html").write_text("<p>")
    build, uri = make_build(), tracking_uri()
    git = GitState("c0ffee", "--- a\n+++ b\n")
    with track(build, "teacher", uri, {"data/prepared": DIGEST}, git, {"who": "me"}) as run:
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
    assert connect(uri).get_experiment(teacher.info.experiment_id).name == "digits"
    assert (teacher.info.status, parent.info.status) == ("FINISHED", "SCHEDULED")
    for each in (teacher, parent):
        assert each.data.params["train.lr"] == "0.1"
        assert each.data.params["train.widths"] == "[8, 16]"
        assert each.data.params["train.warm"] == "null"
        assert each.data.tags["sprout.build"] == build.name
        assert each.data.tags["mlflow.source.git.commit"] == "c0ffee"
        assert each.data.tags["sprout.git.dirty"] == "true"
        assert each.data.tags["mlflow.sprout.data.data/prepared"] == DIGEST
        (read,) = each.inputs.dataset_inputs
        assert (read.dataset.name, read.dataset.digest) == ("prepared", DIGEST[:12])
        assert {"config.yaml", "git.diff"} <= artifacts(uri, each)
    assert teacher.data.tags["mlflow.sprout.pid"] == str(os.getpid())
    assert parent.data.tags["mlflow.sprout.pid"] == str(os.getppid())  # which would start the next stage
    assert parent.info.run_name == "digits"
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
    with pytest.raises(type(error)), track(make_build(), "teacher", uri):
        raise error
    (teacher,), (parent,) = runs_of(uri, role="teacher"), runs_of(uri, role="build")
    assert (teacher.info.status, parent.info.status) == (status, builds)
    assert teacher.data.tags.get("sprout.reason") == reason


def test_a_build_is_named_by_what_params_yaml_changes(root, monkeypatch):
    monkeypatch.chdir(root)
    (root / "params.yaml").write_text("experiment: digits\noverrides: [train.lr=0.1]\n")
    with track(make_build(), "build", tracking_uri()):
        pass
    (run,) = runs_of(tracking_uri(), role="build")
    assert run.info.run_name == "digits train.lr=0.1"
    shown = {name for name in run.data.tags if not name.startswith("mlflow.")}
    assert shown == {"sprout.build", "sprout.role", "sprout.host"}


def test_a_long_name_is_cut_and_another_experiment_has_no_overrides(root, monkeypatch):
    monkeypatch.chdir(root)
    build = replace(make_build(), overrides=("x" * 200,))
    assert title(build) == f"digits {'x' * 143}…"
    (root / "params.yaml").write_text("experiment: another\noverrides: [train.lr=0.1]\n")
    assert title(make_build()) == "digits"


def test_run_of_its_own_has_no_parent(root):
    build = replace(make_build(), overrides=("train.lr=0.1", "augment=none"))
    with track(build, "train", tracking_uri(), nested=False):
        pass
    (run,) = runs_of(tracking_uri(), build=build.name)
    assert (run.info.run_name, run.info.status) == ("train digits train.lr=0.1 augment=none", "FINISHED")
    assert "mlflow.parentRunId" not in run.data.tags


def test_journal_that_cannot_be_made_stops_nothing(root, monkeypatch, capfd):
    (root / "mlruns" / "outbox").write_text("in the way of the folder")
    with track(make_build(), "teacher", tracking_uri()) as run:
        run.log_metrics({"loss": 1.0})
        run.log_artifact(root / "mlruns" / "mlflow.db")
        run.log_model(model_folder(root), np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="own"), track(make_build(), "teacher", tracking_uri()):
        raise ValueError("its own")
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"sprout: {root}/mlruns/outbox cannot be written (")
    assert "teacher" in first
    assert second.startswith("sprout: ")
    assert runs_of(tracking_uri()) == []


@pytest.mark.parametrize("refused", ["write", "keep", "short write"])
def test_full_disk_stops_nothing(root, monkeypatch, capfd, refused):
    """What was written before is sent, and so is how the run ended."""
    uri = tracking_uri()
    with track(make_build(), "teacher", uri) as run:
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


def test_restored_stage_is_recorded_once(root):
    folder, build, uri = root / "teacher", make_build(), tracking_uri()
    folder.mkdir()
    (folder / "history.csv").write_text("epoch,train_loss,val_loss\n1,0.9,\n2,0.5,0.6\n")
    (folder / "metrics.json").write_text(
        json.dumps({"epochs": 2, "best_epoch": 1, "val": {"accuracy": 0.8, "mae": None}})
    )
    for _ in range(2):
        record_restored(RunInfo(build, "teacher", uri, {"data/prepared": DIGEST}, GitState("c0ffee", "")), folder)
    (teacher,), (parent,) = runs_of(uri, role="teacher"), runs_of(uri, role="build")
    assert (teacher.info.status, parent.info.status) == ("FINISHED", "SCHEDULED")
    assert teacher.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert [each.dataset.digest for each in teacher.inputs.dataset_inputs] == [DIGEST[:12]]
    assert teacher.data.tags["sprout.restored"] == "true"
    assert "sprout.restored" not in parent.data.tags
    assert teacher.data.params["train.lr"] == "0.1"
    assert points(uri, teacher, "epoch/train_loss") == [(1, 0.9), (2, 0.5)]
    assert points(uri, teacher, "epoch/val_loss") == [(2, 0.6)]
    results = {name: value for name, value in teacher.data.metrics.items() if "/" not in name}
    assert results == {"epochs": 2.0, "best_epoch": 1.0, "val_accuracy": 0.8}
    (folder / "history.csv").unlink()
    with pytest.raises(UserError, match=r"history\.csv.*missing.*student.*dvc checkout"):
        record_restored(RunInfo(build, "student", uri), folder)


def test_curves_have_other_names_than_results(root):
    with track(make_build(), "teacher", tracking_uri()) as run:
        run.log_curves({"step_loss": 0.7, "step_kept_share": 0.1}, step=40)
        run.log_curves({"val_accuracy": 0.5}, step=1)
        run.log_metrics({"val_accuracy": 0.8})
    (teacher,) = runs_of(tracking_uri(), role="teacher")
    assert points(tracking_uri(), teacher, "step/loss") == [(40, 0.7)]
    assert points(tracking_uri(), teacher, "epoch/val_accuracy") == [(1, 0.5)]
    assert points(tracking_uri(), teacher, "val_accuracy") == [(0, 0.8)]


def test_mlflows_own_variable_names_the_experiment(root, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "team")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    with track(make_build(), "teacher", tracking_uri()):
        pass
    (teacher,) = runs_of(tracking_uri(), role="teacher")
    assert connect(tracking_uri()).get_experiment(teacher.info.experiment_id).name == "team"
    assert teacher.data.params["experiment"] == "digits"
    assert capfd.readouterr().err.startswith("sprout: MLFLOW_EXPERIMENT_ID=7: is ignored")
