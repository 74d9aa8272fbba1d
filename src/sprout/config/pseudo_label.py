"""Section `pseudo_label`: which predictions become labels of the student. The key `method` selects a class."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Probability


@dataclass(frozen=True, config=STRICT)
class Pool:
    """What all have in common."""

    foreign: Literal["auto", "keep"]
    """auto: where the pool looks unlike the labels, the examples of which the teacher is least sure are left out, as
    they may belong to no class. keep: nothing is left out."""


@dataclass(frozen=True, config=STRICT)
class Rounds(Pool):
    """What the ways to select predictions have in common."""

    rounds: Count
    """The first round selects among the teacher's predictions, each further one among those of a model that is trained
    with the settings of the section retrain, but on one device, on true labels and the labels of the round before."""
    per_class: Count | None
    """Maximum number of accepted predictions for each class, most confident first; null means no limit."""
    alignment: Literal["none", "uniform", "labels"]
    """Predictions are scaled so that the classes have, on average, equal shares or those of the labels (distribution
    alignment: Berthelot et al., 2020). none where the pool has other shares, or classes that no label has."""


@dataclass(frozen=True, config=STRICT)
class Threshold(Rounds):
    method: Literal["threshold"]
    """Confident predictions become labels (Lee, 2013)."""
    threshold: Probability
    """Calibrated probability from which a prediction is accepted."""


@dataclass(frozen=True, config=STRICT)
class Curriculum(Rounds):
    method: Literal["curriculum"]
    """The most confident predictions of each class become labels, more of them in every round (curriculum labeling:
    Cascante-Bonilla et al., 2021; of each class the same share: Zou et al., 2018)."""
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the predictions of each class, the share that the last round accepts; round r of R accepts r/R of it."""


@dataclass(frozen=True, config=STRICT)
class NoPseudoLabels(Pool):
    method: Literal["none"]
    """No prediction becomes a label; for a student whose method learns from the pool itself."""


Selection = Threshold | Curriculum
"""The ways to select predictions that become labels."""
PseudoLabel = Selection | NoPseudoLabels
PSEUDO_LABELS: dict[str, type[PseudoLabel]] = {
    "threshold": Threshold,
    "curriculum": Curriculum,
    "none": NoPseudoLabels,
}
"""Dataclass of the section by its key `method`."""
