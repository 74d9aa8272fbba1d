"""Where the values of one parameter stand on an axis of a picture."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

from sprout.sweep.space import told

LETTERS = 16
"""That all choices together may have, to stand side by side."""


class Scale:
    """The axis of one parameter."""

    def __init__(self, trial: FrozenTrial, path: str) -> None:
        """Take the parameter of that path, as a trial has drawn it."""
        self.path = path
        distribution: Any = trial.distributions[path]
        self.choices = list(distribution.choices) if isinstance(distribution, CategoricalDistribution) else None
        self.log = bool(getattr(distribution, "log", False))
        self.whole = isinstance(distribution, IntDistribution)
        self.low: float = 0 if self.choices is not None else distribution.low
        self.high: float = len(self.choices) - 1 if self.choices is not None else distribution.high

    def place(self, trial: FrozenTrial) -> float:
        """Of a trial's value, in the axis's own unit."""
        value = trial.params[self.path]
        return float(value if self.choices is None else self.choices.index(value))

    def share(self, trial: FrozenTrial) -> float:
        """The same between 0 and 1."""
        ends = (self.low, self.high, self.place(trial))
        low, high, here = map(math.log, ends) if self.log else ends
        return float((here - low) / (high - low))

    def ends(self) -> list[tuple[float, str]]:
        """What stands at which height between 0 and 1."""
        if self.choices is None:
            return [(0.0, f"{self.low:.4g}"), (1.0, f"{self.high:.4g}")]
        return [(number / self.high, told(choice)) for number, choice in enumerate(self.choices)]

    def mark(self, axes: Axes) -> None:
        """Mark the axis."""
        if self.choices is not None:
            labels = [told(choice) for choice in self.choices]
            slanted = sum(map(len, labels)) > LETTERS
            axes.set_xticks(
                range(len(labels)), labels, rotation=60 if slanted else 0, ha="right" if slanted else "center"
            )
        elif self.log:
            axes.set_xscale("log")
            axes.set_xlim(self.low / 1.2, self.high * 1.2)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=self.whole))
