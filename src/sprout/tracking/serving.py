"""The code that serves a logged model: MLflow copies it beside the model ("models from code"), without a pickle."""

import sys
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
from mlflow.pyfunc import PythonModel, PythonModelContext


class Model(PythonModel):  # type: ignore[misc]
    """Predictions for a batch of examples."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder that was logged, by the code that was logged with it."""
        sys.path.insert(0, context.artifacts["code"])
        from sprout.models.predictor import load_predictor

        self.predictor = load_predictor(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """The predictions of the model's task for `model_input`, (N, H, W, C) uint8 or (N, F) float32.

        (N, K) float32 probabilities, columns in the order of `classes`; (N,) float64 values; (N, H, W, C) float32
        images in 0..1; or (N,) int64 clusters.
        """
        return self.predictor.predict(model_input)


mlflow.models.set_model(Model())
