"""Section `pseudo_label`: which of the teacher's guesses become labels."""

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Probability


@dataclass(frozen=True, config=STRICT)
class PseudoLabel:
    threshold: Probability
    """A guess is accepted at this calibrated probability or above."""
    per_class: Count | None
    """Accept at most so many a class, the surest first; null means no limit."""
