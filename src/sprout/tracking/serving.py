"""What MLflow runs to serve a logged model: "model from code", copied beside the model, no pickle."""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
from mlflow.pyfunc import PythonModel, PythonModelContext


class Classifier(PythonModel):  # type: ignore[misc]
    """Class probabilities of a batch of examples."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder that was logged."""
        from sprout.models.inference import load_predictor

        self.predictor = load_predictor(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """The probabilities for `model_input`, (N, H, W, C) uint8 or (N, F) float32: (N, K) float32, columns as
        `classes`.
        """
        return np.asarray(self.predictor.probabilities(model_input), dtype=np.float32)


mlflow.models.set_model(Classifier())
