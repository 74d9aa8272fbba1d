"""A model folder as an MLflow logged model that loads without unpickling."""

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import sprout
from sprout.runtime.checksums import sha256
from sprout.runtime.model_folder import CARD, WEIGHTS
from sprout.tasks import task_named
from sprout.tracking.outbox.journal import Record
from sprout.tracking.tags import KEY, WEIGHTS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

REQUIREMENTS = (
    *("numpy", "pandas", "pillow", "pyarrow", "pydantic", "rich", "safetensors", "simplejpeg", "torch", "torchvision"),
)
"""The packages that `sprout.predict.pyfunc` imports."""
CODE_SUFFIXES = (".py", ".j2", ".css")
"""Endings of the files of the package."""
FOLDER = "weights"
"""The name of the model folder among the artifacts of a logged model."""
SERVING = Path(__file__).with_name("serving.py")


def log_model(client: "MlflowClient", experiment: str, run_id: str, journal: Path, record: Record) -> None:
    """Log the record's model folder as a logged model of the run; one that is logged already is left.

    MLflow's own `log_model` would load the model to try the example and to infer its requirements, and uses the run
    that is active. Here MLflow's folder is written from `model.json` and then uploaded.
    """
    from mlflow.entities import LoggedModelOutput

    weights = {WEIGHTS_TAG: sha256(journal / record["file"] / WEIGHTS)}
    if record.get("once") and of_weights(client, [experiment], weights[WEIGHTS_TAG]):
        return
    key = {KEY: record["key"]}
    for found in client.search_logged_models([experiment], f"tags.`{KEY}` = '{record['key']}'"):
        if found.status == "READY":
            return
        discard(client, found.model_id)  # an upload that was interrupted
    info = json.loads((journal / record["file"] / CARD).read_text(encoding="utf-8"))
    classes = {"sprout.classes": json.dumps(info["classes"], ensure_ascii=False)}
    tags = {**key, **weights, **record["tags"], **classes}
    kind = task_named(info["task"]).mlflow_type
    name = "-".join([client.get_experiment(experiment).name, record["name"]])
    model = client.create_logged_model(experiment, legal_name(name), run_id, tags, model_type=kind)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model"
        folder = Path(shutil.copytree(journal / record["file"], Path(scratch) / FOLDER))
        _write(target, folder, journal / record["example"], info, model.model_id, run_id)
        client.log_model_artifacts(model.model_id, str(target))
    client.finalize_logged_model(model.model_id, "READY")


def newest_model(client: "MlflowClient", experiments: Sequence[str], search: str) -> "LoggedModel | None":
    """Return the newest complete logged model that a search in MLflow's language finds; None if there is none."""
    newest = [{"field_name": "creation_time", "ascending": False}]
    found = client.search_logged_models(list(experiments), search, order_by=newest)
    return next((each for each in found if each.status == "READY"), None)


def of_weights(client: "MlflowClient", experiments: Sequence[str], weights: str) -> "LoggedModel | None":
    """Return the newest logged model with these weights; None if there is none."""
    return newest_model(client, experiments, f"tags.`{WEIGHTS_TAG}` = '{weights}'")


def discard(client: "MlflowClient", model_id: str) -> None:
    """Delete a logged model; mark it as failed where the user may edit the experiment, but not delete in it."""
    from mlflow import MlflowException

    try:
        client.delete_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            raise
        client.finalize_logged_model(model_id, "FAILED")


def _write(target: Path, folder: Path, example: Path, info: dict[str, Any], model_id: str, run_id: str) -> None:
    """Write MLflow's folder of the model: the code as one file, the model folder, its signature and requirements."""
    import numpy as np
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    save_model(
        target,
        python_model=SERVING,
        artifacts={"model": str(folder), "code": str(zipped_code(folder.with_name("sprout.zip")))},
        signature=signature_of(info["task"], info["input_shape"], info["classes"]),
        input_example=np.load(example, allow_pickle=False),
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        metadata={"classes": info["classes"]},
    )


def zipped_code(path: Path) -> Path:
    """Write the package `sprout` as an archive that Python imports from; the same code gives the same bytes.

    MLflow's `code_paths` would make it some 300 files of each logged model.
    """
    package = Path(sprout.__file__).parent
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and file.suffix in CODE_SUFFIXES:
                name = file.relative_to(package.parent).as_posix()
                archive.writestr(ZipInfo(name), file.read_bytes(), ZIP_DEFLATED)
    return path


def legal_name(text: str) -> str:
    """The nearest name that MLflow accepts for a logged model: other characters become `_`."""
    return re.sub(r"[/:.%\"']", "_", text)


def signature_of(task: str, input_shape: Sequence[int], classes: Sequence[str]) -> "ModelSignature":
    """The names and types of what the model answers, without a word on what it takes.

    MLflow lets nothing through that differs from a signature's inputs. One of tensors refuses images in base64 and rows
    by name, one of columns refuses the arrays of `predict(array)`. `sprout.predict.pyfunc` checks what comes instead.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    learned = task_named(task)
    kind, shape = learned.signature([*input_shape], [*classes])
    if not learned.printed_columns(1):
        return ModelSignature(outputs=Schema([TensorSpec(np.dtype(kind), shape)]))
    columns = learned.prediction_columns(np.zeros([1, *shape[1:]], kind), [*classes])
    types = {name: DataType.from_numpy_type(each.type.to_pandas_dtype()) for name, each in columns.items()}
    return ModelSignature(outputs=Schema([ColSpec(each or DataType.string, name) for name, each in types.items()]))
