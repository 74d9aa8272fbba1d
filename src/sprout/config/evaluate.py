"""Section `evaluate`."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero


@dataclass(frozen=True, config=STRICT)
class Explain:
    """What is found out about the model that is handed on, beside its metrics."""

    examples: CountOrZero
    """Examples whose saliency is computed, half of them mistakes, which get their nearest labelled neighbours; 0 for
    none."""
    filters: CountOrZero
    """Filters of each convolution whose preferred image is computed; 0 for none."""
    map: CountOrZero
    """Examples on the two-dimensional map of the features; 0 for no map."""
    feature_importance: bool
    """Whether it is measured how much a model of a table needs each feature."""
    label_issues: bool
    """Whether labels that may be wrong are looked for."""


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    bins: Count
    """Bins of the calibration curve and of the expected calibration error."""
    explain: Explain
    """The explanations of the model."""
