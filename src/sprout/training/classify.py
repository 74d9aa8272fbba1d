"""The Lightning module that trains a classifier."""

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from sprout.augment import augment
from sprout.core.errors import UserError
from sprout.draws import draws
from sprout.models.normalise import Normalise
from sprout.settings.augment import moving
from sprout.training.batches import Batch
from sprout.training.optimizers import optimizer, schedule

Log = Callable[[dict[str, float], int], None]


class Classifier(pl.LightningModule):
    """Cross-entropy on augmented, normalised batches; accuracy and loss on train and val.

    All chance follows from (seed, epoch, place): a resumed training draws what an undisturbed one draws.
    """

    def __init__(
        self,
        network: nn.Module,
        normalise: Normalise,
        *,
        transforms: dict[str, Any],
        lr: float,
        optimizer: dict[str, Any],
        schedule: dict[str, Any],
        label_smoothing: float,
        seed: int,
        log_steps: int,
        log: Log,
    ) -> None:
        """Take the network and how it is trained.

        Args:
            network: (N, C, H, W) or (N, F) → (N, K) logits.
            normalise: from stored examples to the network's input.
            transforms: keyword arguments of `augment`; none may move anything where examples are no images.
            lr: peak of the learning rate.
            optimizer: keyword arguments of `optimizers.optimizer`.
            schedule: keyword arguments of `optimizers.schedule`.
            label_smoothing: share of the target spread over all classes.
            seed: of augmentation and dropout.
            log_steps: log loss and learning rate every so many steps; 0 for never.
            log: takes (metrics, step).
        """
        super().__init__()
        self.network, self.normalise = network, normalise
        self.transforms, self.seed = transforms, seed
        self.augmenting = bool(moving(transforms))
        self.rate, self.optimizer_args, self.schedule_args = lr, optimizer, schedule
        self.label_smoothing = label_smoothing
        self.log_steps, self.log_metrics = log_steps, log
        self.history: list[dict[str, float]] = []
        self.sums: dict[str, Tensor] = {}
        self.steps: list[tuple[int, Tensor, float]] = []

    def configure_optimizers(self) -> Any:
        """One optimizer; the schedule moves at every step."""
        chosen = optimizer(self.network, self.rate, **self.optimizer_args)
        factor = schedule(**self.schedule_args, steps=int(self.trainer.estimated_stepping_batches))
        rate = torch.optim.lr_scheduler.LambdaLR(chosen, factor)
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout by where we are."""
        place = (self.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((place * 1_009 + self.global_rank) % 2**63)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step's loss."""
        inputs = self.normalise.scale(batch.inputs)
        if self.augmenting:
            inputs = augment(inputs, draws(self.seed, self.current_epoch, batch.ids), **self.transforms)
        logits = self.network(self.normalise(inputs))
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=self.label_smoothing)
        self.add("train", loss.detach(), logits, batch.labels)
        if self.log_steps and self.global_step % self.log_steps == 0:
            self.steps.append((self.global_step, loss.detach(), self.current_rate()))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one batch to the sums."""
        logits = self.network(self.normalise(self.normalise.scale(batch.inputs)))
        self.add("val", functional.cross_entropy(logits, batch.labels), logits, batch.labels)

    def add(self, split: str, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Sums stay on the device: reading a number would wait for it."""
        hits = (logits.detach().argmax(dim=1) == labels).sum()
        # Apple's GPUs have no float64.
        kind = torch.float32 if loss.device.type == "mps" else torch.float64
        more = torch.stack([loss.to(kind) * len(labels), hits.to(kind), torch.tensor(len(labels)).to(hits).to(kind)])
        self.sums[split] = self.sums[split] + more if split in self.sums else more

    def mean(self, split: str) -> dict[str, float]:
        """Loss and accuracy of an epoch, over all processes, and start anew."""
        sums = self.sums.pop(split)
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        loss, hits, count = sums.tolist()
        return {f"{split}_loss": loss / count, f"{split}_accuracy": hits / count}

    def on_validation_epoch_end(self) -> None:
        """Hand the figures to what watches them: early stopping and the choice of the best epoch."""
        self.validated = self.mean("val")
        self.log_dict(self.validated, sync_dist=self.trainer.world_size > 1)

    def on_train_epoch_end(self) -> None:
        """Close the epoch's line of history."""
        row = {"epoch": self.current_epoch, "lr": self.current_rate(), **self.mean("train"), **self.validated}
        if not math.isfinite(row["train_loss"]):
            raise UserError(f"the loss is {row['train_loss']} in epoch {self.current_epoch + 1}: lower lr={self.rate}")
        self.history.append(row)
        for step, loss, rate in self.steps:
            self.log_metrics({"step_loss": loss.item(), "step_lr": rate}, step)
        self.steps.clear()
        self.log_row(row)

    def log_row(self, row: dict[str, float]) -> None:
        """Log one epoch."""
        self.log_metrics({key: value for key, value in row.items() if key != "epoch"}, int(row["epoch"]))

    def current_rate(self) -> float:
        """The learning rate now."""
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with it, and log it: this is another run than the one that was killed."""
        self.history = checkpoint["history"]
        for row in self.history:
            self.log_row(row)
