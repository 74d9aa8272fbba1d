"""The metrics of a trained model, and how tables show them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprout.data.store import Array

Metrics = dict[str, float | None]
"""By name; None where there is nothing to measure on."""


@dataclass(frozen=True)
class Score:
    """A metric of a trained model, as tables show it."""

    key: str
    name: str
    format: str
    """share, decimal, compact or count."""
    higher_is_better: bool


@dataclass(frozen=True)
class Errors:
    """What a model gets wrong, example by example: two models are compared on the same examples by it."""

    measure: str
    """The score that the mean of the errors is, such as error_rate."""
    rows: "Array"
    """(n,) int64: the examples whose target is known."""
    targets: "Array"
    """(n,) the targets, or what else the errors depend on beside the examples and the model."""
    errors: "Array"
    """(n,) float64; less is better."""
