"""Models in MLflow, loaded where sprout is not installed."""

import ast
import base64
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from handmade import model, save
from imports import closure
from servers import free_port
from sprout.data.prepare.decode import ImageFormat, decode
from sprout.tracking import Measured, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.logged_model import REQUIREMENTS
from tracked_runs import LONG, make_build, outbox, runs_of, start_process, track, wait_for
from warm_python import warm_python

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1), np.uint8)


ROWS = np.random.default_rng(0).normal(0.5, 0.25, (3, 5)).astype(np.float32)
PROBABILITIES = {f"probability_{name}": "float" for name in "abc"}
IMPORTED = {"PIL": "pillow", "dateutil": "pandas"}
"""The packages whose modules have another name; pyarrow imports dateutil, which pandas needs, in its caller's name."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "examples", "kind", "gives"),
    [
        ("classify", IMAGES, "classifier", {"class": "string", "probability": "float", **PROBABILITIES}),
        ("regress", ROWS, "regressor", {"value": "double"}),
        ("reconstruct", IMAGES, "autoencoder", None),
        ("cluster", IMAGES, "clusterer", {"cluster": "long"}),
    ],
    ids=["classifier", "regression", "reconstruction", "clustering"],
)
def test_logged_model_predicts_where_sprout_is_not_installed(root, task, examples, kind, gives):
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
    predicted, takes, outputs, imported = predict_elsewhere(uri, logged.model_id, root)
    expected = made.predict(examples)
    if task == "classify":
        assert [row[0] for row in predicted] == ["abc"[index] for index in expected.argmax(axis=1)]
        predicted = [row[2:] for row in predicted]
    np.testing.assert_allclose(predicted, expected if expected.ndim > 1 else expected[:, None], rtol=1e-5, atol=1e-7)
    assert takes is None
    if gives is None:
        assert outputs == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4, 4, 1]}}]
    else:
        assert {each["name"]: each["type"] for each in outputs} == gives
    packages = {IMPORTED.get(name, name) for name in set(imported) - sys.stdlib_module_names}
    assert packages <= {"sprout", *REQUIREMENTS}


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
        found = np.asarray(model.predict(np.load("examples.npy")))
        signature = model.metadata.signature
        print(json.dumps([found.tolist(), signature.inputs, signature.outputs.to_dict(), sorted(imported)]))
    """
    out, err = start_process(code, root, warm_python(), PYTHONPATH="").communicate(timeout=LONG)
    assert out, err
    return json.loads(out.splitlines()[-1])


def test_inference_imports_each_requirement():
    served = Path("src/sprout/predict/pyfunc.py")
    files = closure(served) | {served}
    imported = {name.partition(".")[0] for file in files for name in imports_of(Path(file))}
    assert set(REQUIREMENTS) <= {IMPORTED.get(name, name) for name in imported}


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


@contextmanager
def model_server(uri: str, model_id: str, root: Path) -> Iterator[str]:
    """Run `mlflow models serve`; yields the address of its answers."""
    port = free_port()
    words = ["models", "serve", "-m", f"models:/{model_id}", "--env-manager", "local", "--port", str(port)]
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    with (root / "log").open("wb") as log:
        command = [sys.executable, "-m", "mlflow", *words]
        server = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, (root / "log").read_text()
        try:
            return requests.get(f"{address}/ping", timeout=LONG).ok
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, "the server of the model")
        yield f"{address}/invocations"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def png(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.slow
def test_mlflow_serves_images_and_names_classes(root):
    """In each form of a request, resized as the data was; a bad image is named in one line."""
    made, uri = model("classify", (4, 4, 3), classes=["cat", "dog", "日本"]), tracking_uri()
    build = make_build()
    build = replace(build, config=build.config | {"prepare": {"resize": "fit", "max_pixels": 10_000}})
    with track(build, "teacher", uri) as run:
        run.log_model(save(root / "teacher", made), np.zeros((1, 4, 4, 3), np.uint8))
    (logged,) = connect(uri).search_logged_models([runs_of(uri, role="teacher")[0].info.experiment_id])
    raw = np.random.default_rng(0).integers(0, 256, (2, 10, 14, 3), np.uint8)
    texts = [base64.b64encode(png(each)).decode() for each in raw]
    decoded = np.stack([decode(io.BytesIO(png(each)), ImageFormat((4, 4), 3, "fit", 10_000)) for each in raw])
    expected = [
        {"class": made.classes[found.argmax()], "probability": pytest.approx(found.max(), abs=1e-6)}
        | {f"probability_{name}": pytest.approx(each, abs=1e-6) for name, each in zip(made.classes, found, strict=True)}
        for found in made.predict(decoded)
    ]
    with model_server(uri, logged.model_id, root) as address:
        for body in (
            {"dataframe_split": {"columns": ["image"], "data": [[each] for each in texts]}},
            {"dataframe_records": [{"image": each} for each in texts]},
            {"inputs": {"image": texts}},
            {"inputs": texts},
            {"instances": [{"image": each} for each in texts]},
            {"inputs": decoded.tolist()},
            {"instances": decoded.tolist()},
        ):
            answer = requests.post(address, json=body, timeout=LONG)
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"predictions": expected}, list(body)
        bad = {"inputs": {"image": [texts[0], base64.b64encode(b"hello").decode()]}}
        answer = requests.post(address, json=bad, timeout=LONG)
        reason = "images[1]: not an image in a known format ("
        assert (answer.status_code, set(answer.json())) == (400, {"error_code", "message"})
        assert answer.json()["message"].startswith(reason)
        assert len(answer.text) < 300
    assert "Traceback" not in (root / "log").read_text()
