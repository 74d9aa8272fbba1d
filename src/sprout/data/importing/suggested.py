"""What is suggested for new data, and how it is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sprout.evaluate.significance import cross_validated_interval

SUPPOSED = 0.1
"""The error whose interval is given beforehand."""
Value = int | float | str | None | list[int] | list[str] | list[int | float] | Mapping[str, float | str]
Section = dict[str, Value]
"""Lines of one section of a config file."""


@dataclass(frozen=True)
class SuggestedSettings:
    """The content of an experiment's config file."""

    learns: str
    """What the model does with the examples."""
    files: dict[str, str] = field(default_factory=dict)
    """Config group → its file, where it is not the default one."""
    prepare: Section = field(default_factory=dict)
    model: Section = field(default_factory=dict)
    train: Section = field(default_factory=dict)
    control: Section = field(default_factory=dict)
    retrain: Section = field(default_factory=dict)


@dataclass(frozen=True)
class Amounts:
    """How many examples the splits have, apart from groups that stay whole."""

    labelled: int
    """Those with a label to train on."""
    unlabelled: int


def fewest_in_training(count: int, splits: Section) -> int:
    """Return how many of `count` training examples a training has at least: with folds, one fold is held out."""
    folds = splits.get("folds")
    return count * (folds - 1) // folds if isinstance(folds, int) else count


def measured(splits: Section, labels: int) -> str:
    """Return how an error is measured with folds, and how exactly, in words; empty without folds."""
    if not splits["folds"]:
        return ""
    low, high = cross_validated_interval(round(SUPPOSED * labels), labels)
    folds = splits["folds"]
    assert isinstance(folds, int)
    return (
        f"; {labels} labels are too few to hold some out, so {folds}-fold cross-validation measures the error: one of "
        f"{SUPPOSED:.0%} would be known to lie between {low:.0%} and {high:.0%}. Each model is trained {folds + 1} "
        "times"
    )
