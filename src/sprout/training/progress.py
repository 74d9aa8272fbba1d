"""How far a training has come; with the weights, all that it takes to go on."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

Row = dict[str, float]
NOTHING = (0.0, 0.0, 0.0)


@dataclass
class Progress:
    """Plain numbers, as a checkpoint holds them."""

    epoch: int = 0
    """The one that is running, or the next."""
    step_of_epoch: int = 0
    """Steps done in it."""
    step: int = 0
    """Steps done in all."""
    sums: tuple[float, float, float] = NOTHING
    """Loss, figure and number of the running epoch's examples."""
    history: list[Row] = field(default_factory=list)
    """A row for each epoch done."""
    best: float | None = None
    """The best value of what is monitored."""
    best_epoch: int = 0
    waited: int = 0
    """Epochs since."""
    ended: bool = False

    def add(self, loss: float, figure: float, count: int) -> None:
        """A batch's sums."""
        self.sums = (self.sums[0] + loss, self.sums[1] + figure, self.sums[2] + count)

    def close_epoch(self, row: Row) -> None:
        """An epoch is over."""
        self.history.append(row)
        self.epoch, self.step_of_epoch = self.epoch + 1, 0
        self.sums = NOTHING

    def judge(self, value: float, less_is_better: bool) -> bool:
        """Note the running epoch's value; whether it is the best one so far."""
        better = self.best is None or (value < self.best if less_is_better else value > self.best)
        better = better and math.isfinite(value)
        if better:
            self.best, self.best_epoch = value, self.epoch
        self.waited = 0 if better else self.waited + 1
        return better

    def state_dict(self) -> dict[str, Any]:
        """What `from_state` takes."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Progress":
        """Go on from there."""
        return cls(**state | {"sums": tuple(state["sums"])})
