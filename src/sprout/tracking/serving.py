"""The code that serves a logged model: MLflow copies it beside the model ("models from code"), without a pickle."""

import json
import sys
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel, PythonModelContext


class Refused(MlflowException):  # type: ignore[misc]
    """A request that cannot be answered."""

    def __init__(self, reason: str) -> None:
        """Take the reason, in one line."""
        super().__init__(reason, error_code=BAD_REQUEST)
        self.reason = reason

    def serialize_as_json(self) -> str:
        """The server's answer; MLflow itself would put all data of the request before the reason."""
        return json.dumps({"error_code": self.error_code, "message": self.reason}, ensure_ascii=False)


class Model(PythonModel):  # type: ignore[misc]
    """Predictions for a batch of examples."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder that was logged, by the code that was logged with it."""
        sys.path.insert(0, context.artifacts["code"])
        from sprout.predict.pyfunc import ServedModel

        self.served = ServedModel(Path(context.artifacts["model"]))

    # MLflow reads the type hints, and makes a signature of any input but an array; see `logged_model.signature_of`.
    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> pd.DataFrame | np.ndarray:
        """The predictions for raw examples, images in base64 or rows; see `sprout.predict.pyfunc`.

        Raises:
            Refused: they are none that the model takes.
        """
        from sprout.predict.examples import RequestError

        try:
            return self.served.predict(model_input)
        except RequestError as error:
            raise Refused(str(error)) from None


mlflow.models.set_model(Model())
