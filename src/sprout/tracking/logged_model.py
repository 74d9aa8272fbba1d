"""A handed-on model folder as an MLflow logged model that loads without unpickling."""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sprout
from sprout.tracking.outbox.journal import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

# What sprout.models.predictor imports.
REQUIREMENTS = ("numpy", "pyarrow", "pydantic", "rich", "safetensors", "torch", "torchvision")
SERVING = Path(__file__).with_name("serving.py")
TYPES = {"classify": "classifier", "regress": "regressor", "reconstruct": "autoencoder", "cluster": "clusterer"}
"""What MLflow calls a model, by its task."""


def log_model(client: "MlflowClient", experiment: str, run_id: str, journal: Path, record: Record) -> None:
    """Make the record's model folder a logged model of the run.

    MLflow's own `log_model` would load the model to try the example and to guess its requirements, and acts
    on whatever run is current; here the folder is written from what `model.json` says, then uploaded.
    """
    from mlflow.entities import LoggedModelOutput

    key = {"sprout.key": record["key"]}
    for found in client.search_logged_models([experiment], f"tags.`sprout.key` = '{record['key']}'"):
        if found.status == "READY":
            return
        client.delete_logged_model(found.model_id)  # an upload that was cut off
    info = json.loads((journal / record["file"] / "model.json").read_text(encoding="utf-8"))
    tags = {**key, **record["tags"], "sprout.classes": json.dumps(info["classes"], ensure_ascii=False)}
    model = client.create_logged_model(experiment, record["name"], run_id, tags, model_type=TYPES[info["task"]])
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with tempfile.TemporaryDirectory() as place:
        _write(
            Path(place) / "model", journal / record["file"], journal / record["example"], info, model.model_id, run_id
        )
        client.log_model_artifacts(model.model_id, str(Path(place) / "model"))
    client.finalize_logged_model(model.model_id, "READY")


def _write(target: Path, folder: Path, example: Path, info: dict[str, Any], model_id: str, run_id: str) -> None:
    import numpy as np
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    given = np.load(example, allow_pickle=False)
    save_model(
        target,
        python_model=SERVING,
        artifacts={"model": str(folder)},
        code_paths=[str(Path(sprout.__file__).parent)],
        signature=_signature(info, str(given.dtype)),
        input_example=given,
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        metadata={"classes": info["classes"]},
    )


def _signature(info: dict[str, Any], dtype: str) -> "ModelSignature":
    """From (-1, H, W, C) or (-1, F) examples to what the task asks for, as `model.json` says."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    examples = TensorSpec(np.dtype(dtype), (-1, *info["input_shape"]))
    kind, shape = {
        "classify": ("float32", (-1, len(info["classes"]))),
        "regress": ("float64", (-1,)),
        "reconstruct": ("float32", (-1, *info["input_shape"])),
        "cluster": ("int64", (-1,)),
    }[info["task"]]
    return ModelSignature(Schema([examples]), Schema([TensorSpec(np.dtype(kind), shape)]))
