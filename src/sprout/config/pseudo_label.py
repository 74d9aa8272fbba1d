"""Section `pseudo_label`: which of the teacher's predictions become labels."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Probability


@dataclass(frozen=True, config=STRICT)
class PseudoLabel:
    threshold: Probability
    """Calibrated probability from which a prediction is accepted."""
    per_class: Count | None
    """Maximum number of accepted predictions for each class, most confident first; null means no limit."""
