"""The evaluation's metrics, on the build's own run in MLflow."""

import json
from types import SimpleNamespace

import pytest
import yaml

from sprout.evaluate.record import track_evaluation
from sprout.tracking import GitState, tracking_uri
from tracked_runs import make_build, runs_of


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
        (root / "models" / folder / "metrics.json").write_text(json.dumps({"val": {"accuracy": accuracy, "nmi": None}}))
    (root / "evaluation").mkdir()
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
        "sprout.evaluate.record.load_card", lambda folder: SimpleNamespace(kept=copied.get(str(folder)))
    )
    monkeypatch.setattr("sprout.evaluate.record.git_state", lambda folder: GitState("c0ffee", "--- a\n"))
    track_evaluation(make_build(), root / "evaluation")

    runs = {run.data.tags["sprout.role"]: run for run in runs_of(tracking_uri())}
    read = {"teacher": paths[:2], "student": paths[:4], "build": [paths[0], *paths[2:]]}
    assert set(runs) == {"teacher", "build"} | ({"student"} if kept != "teacher" else set())
    for role, run in runs.items():
        assert run.info.status == "FINISHED"
        assert (run.data.tags["mlflow.source.git.commit"], run.data.tags["sprout.git.dirty"]) == ("c0ffee", "true")
        assert {path for path in paths if f"mlflow.sprout.data.{path}" in run.data.tags} >= set(read[role])
    names = {role: {each.dataset.name for each in run.inputs.dataset_inputs} for role, run in runs.items()}
    assert names["teacher"] == set(paths[:2])
    assert names["build"] >= set(read["build"])
    assert names.get("student", set(paths[:4])) == set(paths[:4])
    of_labels = {"pseudo_labels_accepted_teacher": 9, "pseudo_labels_precision_estimated_teacher": 0.9}
    of_labels |= {"labels_coverage_student": 1.0}  # of the last epoch; there is no precision without truth
    assert runs["build"].data.metrics == {"test_accuracy_teacher": 0.7, "test_accuracy_student": 0.65} | of_labels
    assert runs["build"].data.tags["sprout.handed_on"] == (kept or "student")
    if kept == "control":
        assert runs["student"].data.metrics == {"val.accuracy": 0.6, "train_loss": 0.9}
    assert runs["teacher"].data.metrics == {"val.accuracy": 0.8} | ({"train_loss": 0.9} if history else {})
