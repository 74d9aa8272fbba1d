"""Sections `evaluate` and `report`."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    bins: Count
    """Bins of the calibration curve and of the expected calibration error."""


@dataclass(frozen=True, config=STRICT)
class Report:
    examples: CountOrZero
    """Examples shown in each of the page's galleries; of a clustering in those of all clusters together."""


@dataclass(frozen=True, config=STRICT)
class Tracking:
    log_model: bool
    """Keep each trained model in MLflow, ready to load with `mlflow.pyfunc`."""
