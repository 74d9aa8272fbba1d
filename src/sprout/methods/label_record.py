"""The labels that unlabelled examples were given during a training, for those who know the truth and come later."""

from typing import Any

import torch
from torch import Tensor

MOST = 10_000
"""Examples of the pool that are recorded: enough for a share of 1%."""


class LabelRecord:
    """What a sample of the pool was last labelled as, at the end of each epoch.

    A training may not read the truth: it records its labels, and `evaluate` counts the right ones.
    """

    def __init__(self, pool: int) -> None:
        """Take the size of the pool, of which each example is recorded, or each second one, and so on."""
        self.every = -(-pool // MOST)
        self.rows = torch.arange(0, pool, self.every)
        """(n,) int64, the recorded examples."""
        # One place more, for what is not recorded: choosing by a mask would wait for the GPU in each step.
        self.last = torch.zeros(len(self.rows) + 1, dtype=torch.int16)
        self.epochs: list[Tensor] = []
        self.epoch = 0

    def note(self, epoch: int, ids: Tensor, predicted: Tensor, counts: Tensor) -> None:
        """Note the labels of a step.

        Args:
            epoch: the running one, from 0.
            ids: (N,) int64, the indices of the examples in the pool.
            predicted: (N,) int64, their classes.
            counts: (N,) bool, whether these count as labels.
        """
        if epoch > self.epoch:
            self.epochs.append(self.last[:-1].cpu().clone())
            self.epoch = epoch
        self.last = self.last.to(ids.device)
        places = torch.where(ids % self.every == 0, ids // self.every, len(self.last) - 1)
        self.last[places] = torch.where(counts, predicted + 1, -predicted - 1).to(self.last)

    def labels(self) -> Tensor:
        """(E, n) int16 at the end of each epoch: class + 1 where it counted, −(class + 1) where not, 0 before any."""
        return torch.stack([*self.epochs, self.last[:-1].cpu()])

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {"last": self.last, "epochs": self.epochs, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state."""
        self.last, self.epochs, self.epoch = state["last"], list(state["epochs"]), state["epoch"]
