"""Section `control`: the fair rival of the student, which learns from labels alone."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT
from sprout.methods.base import Policy


@dataclass(frozen=True, config=STRICT)
class Control:
    train: bool
    """Whether to train a control: a network with the student's settings, start and number of steps that learns from
    labels alone. Without it the student is compared with the teacher, which does not show whether the unlabelled
    examples helped or the further steps did."""
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)]
    """Its augmentation policies: one control is trained with each, and the best on val is kept. One
    whose transforms are not for such examples is left out, as `weak` with its shifts is for rows of a table."""
