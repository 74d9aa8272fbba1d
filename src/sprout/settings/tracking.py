"""Section `tracking`: what goes to MLflow beside parameters and metrics."""

from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT


@dataclass(frozen=True, config=STRICT)
class Tracking:
    log_model: bool
    """Keep each trained model in MLflow, ready to load with `mlflow.pyfunc`."""
