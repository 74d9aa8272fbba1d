"""How far a training has come; with the weights, all that it takes to go on."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sprout.engine.checkpoints import State
from sprout.engine.ema import WeightAverage
from sprout.engine.module import Learner
from sprout.models.weights.files import save_tensors
from sprout.runtime.errors import UserError

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


class TrainState:
    """What changes from step to step, as a checkpoint holds it."""

    def __init__(
        self, fabric: Fabric, learner: Learner, optimizer: torch.optim.Optimizer, average: WeightAverage | None
    ) -> None:
        """Stand at the beginning.

        Args:
            fabric: whose number format may keep a scale of its own.
            learner: the network and its task.
            optimizer: of the learner's parameters.
            average: of the weights, if any.
        """
        self.fabric, self.learner, self.optimizer, self.average = fabric, learner, optimizer, average
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        """The network's state at the best epoch, on the CPU."""
        self.kept: tuple[int, dict[str, Tensor]] = (0, {})

    def keep_best(self) -> None:
        """The network as it is now is the best so far."""
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.learner.network.state_dict().items()}

    def keep_finite(self) -> None:
        """All losses until here are numbers: remember the network's state, on its device, where they are read late."""
        weights = self.learner.network.state_dict()
        self.kept = self.progress.step, {name: tensor.detach().clone() for name, tensor in weights.items()}

    def save_last_finite(self, folder: Path) -> str:
        """Write the last weights that are numbers; what is said of them.

        A file for each process: the one that meets the fault first ends all others.
        """
        rank = self.fabric.global_rank
        for which, weights in self.candidates():
            if weights and finite(weights):
                path = folder / f"last_finite{f'-{rank}' if rank else ''}.safetensors"
                save_tensors(path, weights)
                return f"{which} lie in {path}"
        return "there are no finite weights to keep"

    def candidates(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """States of the network, the latest first, each with what it is; some may hold what is no number."""
        yield "the last finite weights", self.learner.network.state_dict()
        yield f"the last finite weights that are known, after step {self.kept[0]},", self.kept[1]
        yield f"the weights of epoch {self.progress.best_epoch + 1}, the best until then,", self.best

    def state(self) -> State:
        """What `take` takes."""
        return {
            "progress": self.progress.state_dict(),
            "network": self.learner.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "best": self.best,
        }

    def take(self, state: State) -> None:
        """Go on from a state.

        Raises:
            UserError: the weights are those of another network. Whatever is raised, nothing has changed.
        """
        mine, given = self.learner.network.state_dict(), state["network"]
        if {name: t.shape for name, t in mine.items()} != {name: t.shape for name, t in given.items()}:
            raise UserError("its weights are those of another network")
        progress = Progress.from_state(state["progress"])
        if self.fabric.global_rank > 0:
            progress.sums = NOTHING  # the first process holds those of all
        before = deepcopy(self.optimizer.state_dict())
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            if self.average:
                self.average.load_state_dict(state["average"])
        except Exception:
            self.optimizer.load_state_dict(before)
            raise
        self.learner.network.load_state_dict(given)
        self.progress, self.best = progress, state["best"]


def finite(tensors: dict[str, Tensor]) -> bool:
    """Whether all are numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
