"""The metrics of a trained model, and how tables show them."""

from dataclasses import dataclass

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
