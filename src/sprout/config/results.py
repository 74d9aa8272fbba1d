"""Sections `report` and `tracking`."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, CountOrZero


@dataclass(frozen=True, config=STRICT)
class Report:
    examples: CountOrZero
    """Examples in each gallery of the report page; for clusters, in the galleries of all clusters together."""


@dataclass(frozen=True, config=STRICT)
class Tracking:
    log_model: bool
    """Log each trained model to MLflow, to be loaded with `mlflow.pyfunc`."""
