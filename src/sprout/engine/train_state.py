"""The state of a training: everything that resuming it takes."""

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sprout.config.train import GradientDescent
from sprout.engine.checkpoints import State
from sprout.engine.module import TrainingModule
from sprout.runtime.errors import UserError
from sprout.runtime.run_context import Row
from sprout.weights.tensor_file import save_tensors


@dataclass
class Progress:
    """How far a training has come, as plain numbers for a checkpoint."""

    epoch: int = 0
    """The running epoch, or the next one."""
    step_of_epoch: int = 0
    """Steps done in the epoch."""
    step: int = 0
    """Steps done in all."""
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Sums over the examples of the running epoch: of loss, metric and what the learner logs; then their number."""
    history: list[Row] = field(default_factory=list)
    """A row for each epoch that is done."""
    best: float | None = None
    """The best value of the monitored metric."""
    best_epoch: int = 0
    epochs_since_best: int = 0
    ended: bool = False

    def add(self, sums: Sequence[float]) -> None:
        """Add the sums of a batch."""
        self.sums = tuple(have + more for have, more in zip(self.sums, sums, strict=True))

    def clear_sums(self) -> None:
        """Start again from 0."""
        self.sums = (0.0,) * len(self.sums)

    def close_epoch(self, row: Row) -> None:
        """End the running epoch."""
        self.history.append(row)
        self.epoch, self.step_of_epoch = self.epoch + 1, 0
        self.clear_sums()

    def update_best(self, value: float, *, less_is_better: bool) -> bool:
        """Note the value of the running epoch; return whether no epoch was better. NaN and infinity never are the best.

        Of equal epochs, which a small val often has, the last one is kept: it has learned longest.
        """
        gain = math.inf if self.best is None else self.best - value if less_is_better else value - self.best
        kept = gain >= 0 and math.isfinite(value)
        if kept:
            self.best, self.best_epoch = value, self.epoch
        self.epochs_since_best = 0 if kept and gain > 0 else self.epochs_since_best + 1
        return kept

    def is_last_epoch(self, config: GradientDescent) -> bool:
        """Whether the epoch that was closed last is the last one of the training."""
        if self.epoch >= config.epochs:
            return True
        if config.patience is not None and self.epochs_since_best >= config.patience:
            return True
        threshold = config.stopping_threshold
        if threshold is None or self.best is None:
            return False
        return self.best <= threshold if config.less_is_better else self.best >= threshold


class TrainState:
    """Weights, optimizer, learner, moving average and progress, as a checkpoint holds them."""

    def __init__(self, fabric: Fabric, module: TrainingModule, optimizer: torch.optim.Optimizer) -> None:
        """Start at the first step.

        Args:
            fabric: its precision plugin may have a state.
            module: the network, the moving average and the learner.
            optimizer: the optimizer of the network.
        """
        self.fabric, self.module, self.optimizer = fabric, module, optimizer
        self.progress = Progress(sums=(0.0,) * (3 + len(module.learner.logged)))
        self.best: dict[str, Tensor] = {}
        """The state of the network at the best epoch, on the CPU."""
        self.finite: tuple[int, dict[str, Tensor]] = (0, {})
        """A step until which all losses are known to be finite, and the state of the network after it."""

    def keep_best(self) -> None:
        """Keep the state of the network as the best one."""
        weights = self.module.network.state_dict()
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    def keep_finite(self) -> None:
        """Keep the state of the network, on its device, as one where all losses were finite."""
        weights = self.module.network.state_dict()
        self.finite = self.progress.step, {name: tensor.detach().clone() for name, tensor in weights.items()}

    def save_last_finite(self, folder: Path) -> str:
        """Write the last finite weights, and return a clause that says where.

        Each process writes a file of its own, as the first one to fail ends all others.
        """
        rank = self.fabric.global_rank
        for what, weights in self.candidates():
            if weights and all_finite(weights):
                path = folder / f"last_finite{f'-{rank}' if rank else ''}.safetensors"
                save_tensors(path, weights)
                return f"{what} are in {path}"
        return "there are no finite weights to keep"

    def candidates(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """States of the network with their descriptions, the latest first; some may contain NaN or infinity."""
        yield "the last finite weights", self.module.network.state_dict()
        yield f"the last weights known to be finite, after step {self.finite[0]},", self.finite[1]
        yield f"the weights of epoch {self.progress.best_epoch + 1}, the best until then,", self.best

    def state(self) -> State:
        """The state for a checkpoint, which `restore` takes."""
        ema = self.module.ema
        return {
            "progress": asdict(self.progress),
            "network": self.module.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "learner": self.module.learner.state_dict(),
            "ema": ema.state_dict() if ema else None,
            "best": self.best,
        }

    def restore(self, state: State) -> None:
        """Resume from a state; if it does not fit, an error is raised and nothing has changed.

        Raises:
            UserError: the weights are those of another network.
        """
        weights = state["network"]
        if shapes(self.module.network.state_dict()) != shapes(weights):
            raise UserError("its weights are those of another network")
        progress = Progress(**state["progress"] | {"sums": tuple(state["progress"]["sums"])})
        if self.fabric.global_rank > 0:
            progress.clear_sums()  # rank 0 has the sums of all processes
        best = state["best"]
        before: Any = deepcopy((self.optimizer.state_dict(), self.module.learner.state_dict()))
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            self.module.learner.load_state_dict(state["learner"])
            if self.module.ema:
                self.module.ema.load_state_dict(state["ema"])
        except Exception:
            self.optimizer.load_state_dict(before[0])
            self.module.learner.load_state_dict(before[1])
            raise
        self.module.network.load_state_dict(weights)
        self.progress, self.best = progress, best


def shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    """The shape of each tensor."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def all_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether no value is NaN or infinite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
