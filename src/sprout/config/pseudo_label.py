"""Section `pseudo_label`: which of the teacher's predictions become labels. The key `method` selects a class."""

from typing import Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Probability


@dataclass(frozen=True, config=STRICT)
class Threshold:
    method: Literal["threshold"]
    """Confident predictions of the teacher become labels of the student (Lee, 2013)."""
    threshold: Probability
    """Calibrated probability from which a prediction is accepted."""
    per_class: Count | None
    """Maximum number of accepted predictions for each class, most confident first; null means no limit."""


@dataclass(frozen=True, config=STRICT)
class NoPseudoLabels:
    method: Literal["none"]
    """No prediction becomes a label; for a student whose method learns from the pool itself."""


PseudoLabel = Threshold | NoPseudoLabels
PSEUDO_LABELS: dict[str, type[PseudoLabel]] = {"threshold": Threshold, "none": NoPseudoLabels}
"""Dataclass of the section by its key `method`."""
