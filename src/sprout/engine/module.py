"""The Lightning module that trains a network on any task."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sprout.augment.draws import Draw, draws
from sprout.augment.noise import OUTSIDE
from sprout.augment.transforms import augment
from sprout.config.augment import moving
from sprout.data.dataset import Batch
from sprout.engine.tasks import Task
from sprout.models.normalise import Normalise


class Learner(pl.LightningModule):
    """Augments, normalises and passes a batch through the network, all on the device.

    All chance follows from (seed, epoch, place): a resumed training draws what an undisturbed one draws.
    """

    def __init__(
        self,
        network: nn.Module,
        normalise: Normalise,
        task: Task,
        *,
        transforms: dict[str, Any],
        layout: torch.memory_format,
        seed: int,
        world: int,
        compile: bool,
    ) -> None:
        """Take the network and what it learns.

        Args:
            network: (N, C, H, W) or (N, F) → what the task makes of it.
            normalise: from stored examples to the network's input.
            task: see `tasks`.
            transforms: keyword arguments of `augment`; none may move anything where examples are no images.
            layout: of images on their way through the network.
            seed: of augmentation and noise.
            world: how many processes share a step.
            compile: whether torch compiles the network.
        """
        super().__init__()
        self.network, self.normalise, self.task = network, normalise, task
        self.transforms, self.layout, self.seed, self.world = transforms, layout, seed, world
        self.augmenting = bool(moving(transforms))
        # Beside the registered modules: the weights keep their names.
        self.__dict__["forward_network"] = torch.compile(network) if compile else network

    def training_step(self, batch: Batch, batch_idx: int = 0) -> dict[str, Tensor]:
        """`loss`, the batch's share of the step's mean, times the processes, which are averaged; and its sums `total`
        and `figure` over the examples that count.
        """
        draw = draws(self.seed, batch.epoch, batch.ids)
        scaled = self.views(batch, draw, moved=self.augmenting)
        outputs = self.outputs(self.task.shown(scaled, draw))
        losses = self.task.losses(outputs, batch.targets, scaled, training=True)[: batch.counted]
        total = losses.sum()
        figures = self.task.figures(outputs.detach(), batch.targets)[: batch.counted]
        return {"loss": total * (self.world / batch.whole), "total": total.detach(), "figure": figures.sum()}

    def validation_step(self, batch: Batch, batch_idx: int = 0) -> dict[str, Tensor]:
        """A batch's sums, as `training_step` gives them."""
        draw = draws(0, OUTSIDE, batch.ids)
        # Only views that differ can be told from others.
        scaled = self.views(batch, draw, moved=self.augmenting and self.task.views > 1)
        outputs = self.outputs(self.task.shown(scaled, draw))
        losses = self.task.losses(outputs, batch.targets, scaled, training=False)[: batch.counted]
        figures = self.task.figures(outputs, batch.targets)[: batch.counted]
        return {"total": losses.sum(), "figure": figures.sum()}

    def views(self, batch: Batch, draw: Draw, *, moved: bool) -> Tensor:
        """The examples as often as the task wants to see them: (views · N, C, H, W) in 0..1, or (N, F)."""
        scaled = self.normalise.scale(batch.inputs)
        if not moved:
            return scaled
        seen = [augment(scaled, draw, **self.transforms) for _ in range(self.task.views)]
        return seen[0] if len(seen) == 1 else torch.cat(seen)

    def outputs(self, shown: Tensor) -> Tensor:
        """The network's outputs, in the full number format whatever it computes in."""
        outputs: Tensor = self.__dict__["forward_network"](self.normalise(shown).contiguous(memory_format=self.layout))
        return outputs if outputs.dtype == torch.float64 else outputs.float()
