"""Models in MLflow, loaded where sprout is not installed."""

import ast
import json
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from handmade import model, save
from imports import closure
from sprout.tracking import Measured, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.logged_model import REQUIREMENTS
from tracked_runs import LONG, make_build, outbox, runs_of, start_process, track
from warm_python import warm_python

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
    with track(make_build(), "teacher", uri, {"data/prepared": "0123456789abcdef.dir"}) as run:
        run.log_model(folder, examples)
        run.log_metrics({"val_loss": 0.5}, of=Measured("teacher", "data/prepared"))
        run.log_metrics({"seconds": 3})
    (teacher,) = runs_of(uri, role="teacher")
    (logged,) = connect(uri).search_logged_models([teacher.info.experiment_id])
    assert (logged.name, logged.status, logged.source_run_id) == ("digits-teacher", "READY", teacher.info.run_id)
    assert logged.model_type == kind
    assert json.loads(logged.tags["sprout.classes"]) == ["a", "b", "c"]
    assert [each.model_id for each in teacher.outputs.model_outputs] == [logged.model_id]
    place = Path(urllib.request.url2pathname(logged.artifact_location.removeprefix("file://")))
    assert len([path for path in place.rglob("*") if path.is_file()]) <= 14
    (metric,) = connect(uri).get_logged_model(logged.model_id).metrics
    found = (metric.key, metric.value, metric.dataset_name, metric.dataset_digest, metric.run_id)
    assert found == ("val_loss", 0.5, "prepared", "0123456789ab", teacher.info.run_id)
    assert [path for path in place.rglob("*") if path.suffix in {".pkl", ".pickle", ".pt", ".pth"}] == []

    np.save(root / "examples.npy", examples)
    predicted, signature, imported = predict_elsewhere(uri, logged.model_id, root)
    np.testing.assert_allclose(predicted, made.predict(examples), rtol=1e-5, atol=1e-7)
    assert signature == f"[Tensor({takes})] [Tensor({gives})]"
    assert set(imported) - sys.stdlib_module_names <= {"sprout", *REQUIREMENTS}


def predict_elsewhere(uri, model_id, root):
    """What the logged model says of `examples.npy` in a process that does not know sprout, and what sprout imports."""
    code = f"""if True:
        import builtins, importlib.util, json, os, sys, mlflow, numpy as np
        sys.path = [path for path in sys.path if not os.path.isdir(os.path.join(path, "sprout"))]
        sys.path.append({str(Path(__file__).parent)!r})
        assert importlib.util.find_spec("sprout") is None
        imported, original = set(), builtins.__import__
        def watched(name, globals=None, locals=None, fromlist=(), level=0):
            if str((globals or {{}}).get("__name__")).startswith("sprout"):
                imported.add(name.partition(".")[0])
            return original(name, globals, locals, fromlist, level)
        builtins.__import__ = watched
        mlflow.set_tracking_uri({uri!r})
        model = mlflow.pyfunc.load_model("models:/{model_id}")
        found = model.predict(np.load("examples.npy"))
        signature = model.metadata.signature
        print(json.dumps([found.tolist(), str(signature.inputs) + " " + str(signature.outputs), sorted(imported)]))
    """
    out, err = start_process(code, root, warm_python(), PYTHONPATH="").communicate(timeout=LONG)
    assert out, err
    return json.loads(out.splitlines()[-1])


def test_inference_imports_each_requirement():
    predictor = Path("src/sprout/models/predictor.py")
    files = closure(predictor) | {predictor}
    imported = {name.partition(".")[0] for file in files for name in imports_of(Path(file))}
    assert set(REQUIREMENTS) <= imported


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_an_interrupted_upload_is_sent_anew_by_a_user_who_may_not_delete(root, monkeypatch):
    uri = tracking_uri()
    connect(uri)  # it sets MLflow's environment, and imports it
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    folder = save(root / "teacher", model("classify", IMAGES.shape[1:]))
    upload = MlflowClient.log_model_artifacts
    interrupted = iter([True])

    def interrupt_first(client, model_id, path):
        if next(interrupted, False):
            raise OSError("the connection is lost")
        upload(client, model_id, path)

    def refuse(client, model_id):
        raise MlflowException("Permission denied", PERMISSION_DENIED)

    monkeypatch.setattr(MlflowClient, "log_model_artifacts", interrupt_first)
    monkeypatch.setattr(MlflowClient, "delete_logged_model", refuse)
    monkeypatch.setattr("sprout.tracking.outbox.sender.PATIENCE", LONG)
    with track(make_build(), "teacher", uri) as run:
        run.log_model(folder, IMAGES)
    (teacher,) = runs_of(uri, role="teacher")
    logged = connect(uri).search_logged_models([teacher.info.experiment_id])
    assert sorted(each.status for each in logged) == ["FAILED", "READY"]
    assert outbox(root) == []
