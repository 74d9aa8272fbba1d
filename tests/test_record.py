"""What a build has found, on its own run in MLflow."""

import json

import pytest
import yaml

from sprout.config.workspace import Build
from sprout.report.record import record_models, track_build
from sprout.tracking import GitState, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.views import TAG
from tracked_runs import artifacts, make_build, runs_of


@pytest.mark.parametrize(
    ("kept", "history"), [(None, "1,0.9\n"), ("teacher", "1,0.9\n"), ("teacher", ""), ("control", "1,0.9\n")]
)
def test_evaluation_ends_the_build_and_names_what_was_read(root, monkeypatch, kept, history):
    """Both models came from DVC's cache; a student that is the teacher has no run, a model without epochs no curves.

    Where the control is handed on, the student's figures and its run are its own.
    """
    paths = ["data/prepared", "data/augmented", "data/pseudo_labels", "models/teacher", "models/student"]
    outs = [{"path": path, "md5": f"hash of {path}"} for path in paths]
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"all": {"outs": outs}}}))
    folders = {"teacher": 0.8, "student": 0.8} | ({"student/not_kept": 0.6} if kept == "control" else {})
    for folder, accuracy in folders.items():
        (root / "models" / folder).mkdir(parents=True)
        (root / "models" / folder / "model.json").touch()
        (root / "models" / folder / "history.csv").write_text("epoch,train_loss\n" + history)
        (root / "models" / folder / "metrics.json").write_text(
            json.dumps({"epochs": 9, "val": {"accuracy": accuracy, "nmi": None}})
        )
    (root / "evaluation").mkdir()
    (root / "data/prepared").mkdir(parents=True)
    (root / "data/prepared/summary.json").write_text("{}")
    (root / "data/prepared/test").mkdir()
    (root / "data/prepared/test/store.json").write_text('{"sha256": "c0ffee"}')
    found = {
        "test": {role: {"accuracy": value, "r2": None} for role, value in (("teacher", 0.7), ("student", 0.65))},
        "handed_on": kept or "student",
        "pseudo_labels": {"teacher": {"accepted": 9, "precision_estimated": 0.9, "precision_measured": None}},
    }
    (root / "evaluation" / "metrics.json").write_text(json.dumps(found))
    rows = "1,coverage,0.5,0.2,0.8,1,2\n1,precision,,,,0,0\n2,coverage,1,0.5,1,2,2\n"
    (root / "evaluation" / "labels_by_epoch.csv").write_text("epoch,measure,share,low,high,hits,total\n" + rows)
    copied = {"models/student": kept}
    monkeypatch.chdir(root)
    monkeypatch.setattr(
        "sprout.report.record.read_card", lambda folder: {"kept": copied.get(str(folder)), "task": "classify"}
    )
    monkeypatch.setattr("sprout.report.record.git_state", lambda folder: GitState("c0ffee", "--- a\n"))
    (root / "index.html").write_text("<p>")
    made = make_build()
    build = Build(made.config_text, made.config | {"tracking": {"log_model": False}})
    record_models(build)
    track_build(build, root / "evaluation", root / "index.html", "test error 5%")

    runs = {run.data.tags["sprout.role"]: run for run in runs_of(tracking_uri())}
    read = {"teacher": paths[:2], "student": paths[:4], "build": [paths[0], *paths[2:]]}
    assert set(runs) == {"teacher", "build"} | ({"student"} if kept != "teacher" else set())
    for role, run in runs.items():
        assert run.info.status == "FINISHED"
        assert (run.data.tags["mlflow.source.git.commit"], run.data.tags["sprout.git.dirty"]) == ("c0ffee", "true")
        assert {path for path in paths if f"mlflow.sprout.data.{path}" in run.data.tags} >= set(read[role])
    names = {role: {each.dataset.name for each in run.inputs.dataset_inputs} for role, run in runs.items()}
    assert names["teacher"] == {"prepared", "augmented"}
    assert names["build"] == {"prepared", "augmented", "pseudo_labels"}
    assert names.get("student", names["build"]) == {"prepared", "augmented", "pseudo_labels"}
    expected = {"pool/accepted_teacher": 9, "pool/precision_estimated_teacher": 0.9}
    expected |= {"epoch/pool_coverage": 1.0}  # of the last epoch; there is no precision without truth
    expected |= {"teacher/test_accuracy": 0.7, "student/test_accuracy": 0.65, "teacher/val_accuracy": 0.8}
    expected |= {"student/val_accuracy": 0.6 if kept == "control" else 0.8}
    assert runs["build"].data.metrics == expected
    note = runs["build"].data.tags["mlflow.note.content"]
    run_id, experiment = runs["build"].info.run_id, runs["build"].info.experiment_id
    page = f"#/experiments/{experiment}/runs/{run_id}/artifacts/report/index.html"
    assert note == f"test error 5%\n\n[report/index.html]({page})"
    view = json.loads(connect(tracking_uri()).get_experiment(experiment).tags[TAG])
    columns = json.loads(view["state"])["selectedColumns"]
    assert columns.index("metrics.`student/val_accuracy`") + 1 == columns.index("metrics.`val_accuracy`")
    assert "report/index.html" in artifacts(tracking_uri(), runs["build"], "report")
    assert runs["build"].data.tags["sprout.handed_on"] == (kept or "student")
    if kept == "control":
        assert runs["student"].data.metrics == {"epochs": 9, "val_accuracy": 0.6, "epoch/train_loss": 0.9}
    curve = {"epoch/train_loss": 0.9} if history else {}
    assert runs["teacher"].data.metrics == {"epochs": 9, "val_accuracy": 0.8} | curve
