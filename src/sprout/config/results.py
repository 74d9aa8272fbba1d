"""Sections `evaluate`, `report` and `tracking`."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    bins: Count
    """Bins of the calibration curve and of the expected calibration error."""


@dataclass(frozen=True, config=STRICT)
class Report:
    examples: CountOrZero
    """Examples in each gallery of the report page; for clusters, in the galleries of all clusters together."""


@dataclass(frozen=True, config=STRICT)
class Tracking:
    log_model: bool
    """Log each trained model to MLflow, to be loaded with `mlflow.pyfunc`."""
