"""The Lightning module that trains a network by any method on any task.

The pipeline runs it on Lightning's Fabric (`loop.py`), which resumes at any step. `pl.Trainer` runs it as well, with
any strategy and callbacks, and takes the same steps; only the Trainer calls the hooks that begin with `on_`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from sprout.augment.draws import Draw, draws
from sprout.augment.transforms import augment, drop_entries
from sprout.config.train import GradientDescent
from sprout.data.loader import Batch, Step
from sprout.engine.device import seed_dropout
from sprout.engine.ema import WeightAverage
from sprout.engine.optimizers import make_optimizer
from sprout.engine.schedule import make_schedule
from sprout.engine.unfreezing import Unfreezing
from sprout.methods.base import Learner, Policy, StepLoss
from sprout.models.card import ModelCard
from sprout.models.normalise import Normalise

Sums = dict[str, Tensor]
"""`loss`, to be minimised; `sums` (2 + M,) over the valid examples, of losses, metrics and what the learner logs."""


class TrainingModule(pl.LightningModule):
    """Augments, normalises and passes batches through the network, all on the device.

    All random draws are a function of (seed, epoch, example): a resumed training has those of an uninterrupted one.
    """

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        learner: Learner,
        config: GradientDescent,
        *,
        steps_per_epoch: int,
        world: int = 1,
    ) -> None:
        """Take the network and how it learns.

        Args:
            network: (N, C, H, W) or (N, F) → the outputs that the method asks for.
            card: the model, with the scale of the inputs.
            learner: computes the loss.
            config: the section.
            steps_per_epoch: of the optimizer.
            world: processes that share a step; set by the Trainer if there is one.
        """
        super().__init__()
        self.network, self.normalise, self.learner, self.config = (
            network,
            Normalise(card.mean, card.std),
            learner,
            config,
        )
        self.steps_per_epoch, self.world = steps_per_epoch, world
        self.total_steps = config.epochs * steps_per_epoch
        images = self.images = len(card.input_shape) == 3
        self.layout = torch.channels_last if config.channels_last and images else torch.contiguous_format
        network.to(memory_format=self.layout)
        self.policies = {name: policy for name, policy in config.policies.items() if policy.active}
        self.unfreezing = Unfreezing(network, config.unfreeze)
        self.schedule = make_schedule(config.schedule, self.total_steps)
        self.ema: WeightAverage | None = None
        # Not registered as a submodule, so that the weights keep their names.
        self.__dict__["forward_network"] = torch.compile(network) if config.compile else network

    # What learners use.

    def draws(self, batch: Batch) -> Draw:
        """The random draws of a batch's examples."""
        return draws(batch.seed, batch.epoch, batch.keys)

    def scaled(self, batch: Batch) -> Tensor:
        """The examples without augmentation: (N, C, H, W) in 0..1, or (N, F)."""
        return self.normalise.scale(batch.inputs)

    def view(self, batch: Batch, draw: Draw, policy: Policy) -> Tensor:
        """The examples augmented by a policy, of the shape of `scaled`; each call makes another view."""
        scaled, transforms = self.scaled(batch), self.policies.get(policy)
        if transforms is None:
            return scaled
        if not self.images:
            return drop_entries(scaled, draw, transforms.drop, self.normalise.mean)
        return augment(scaled, draw, transforms)

    def outputs(self, shown: Tensor) -> Tensor:
        """The outputs of the network for scaled examples, in float32, or in float64 with precision 64-true."""
        outputs: Tensor = self.__dict__["forward_network"](self.network_input(shown))
        return outputs if outputs.dtype == torch.float64 else outputs.float()

    @torch.no_grad()
    def ema_outputs(self, shown: Tensor) -> Tensor:
        """The outputs of the weights' moving average, in evaluation mode; as `outputs`."""
        assert self.ema, "a method that labels by the moving average checks that there is one"
        outputs: Tensor = self.ema.network(self.network_input(shown))
        return outputs if outputs.dtype == torch.float64 else outputs.float()

    def network_input(self, shown: Tensor) -> Tensor:
        """Scaled examples, normalised and in the memory format of the network."""
        normalised: Tensor = self.normalise(shown)
        return normalised.contiguous(memory_format=self.layout)

    def gather(self, values: Tensor) -> Tensor:
        """The values of all processes, which have equally many: (n, …) → (processes · n, …)."""
        if self.world == 1:
            return values
        found = [torch.empty_like(values) for _ in range(self.world)]
        torch.distributed.all_gather(found, values.contiguous())
        return torch.cat(found)

    def own(self, values: Tensor) -> Tensor:
        """Those of this process among the values of all: (processes · n, …) → (n, …)."""
        return values if self.world == 1 else values.chunk(self.world)[torch.distributed.get_rank()]

    def mean(self, losses: Tensor, batch: Batch) -> Tensor:
        """The part of this micro-batch in the mean over the whole step: (N,) → scalar.

        It is multiplied by the number of processes, as gradients are averaged over them.
        """
        return losses[: batch.num_valid].sum() * (self.world / batch.global_batch_size)

    # Steps, on Fabric and under a Trainer.

    def training_step(self, step: Step, batch_idx: int = 0) -> Sums:
        """The loss of a micro-batch of each stream, and the sums over the first stream."""
        found = self.learner.training_loss(self, step)
        return {"loss": found.loss, "sums": sums(found, step[0])}

    def validation_step(self, step: Step, batch_idx: int = 0) -> Sums:
        """The sums over a validation batch."""
        return {"sums": sums(self.learner.validation_loss(self, step[0]), step[0])}

    def make_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the network; also starts the moving average of the weights."""
        self.ema = WeightAverage(self.network, self.config.ema) if self.config.ema else None
        fused = self.config.precision != "16-mixed"
        return make_optimizer(self.unfreezing.layer_groups, self.config.lr, self.config.optimizer, fused=fused)

    def lr_multiplier(self, layer_group: int, step: int) -> float:
        """The factor of the base learning rate for a group of layers at a step of the training."""
        epoch = step // self.steps_per_epoch
        return self.schedule(step) * self.unfreezing.lr_multipliers(epoch)[layer_group]

    def seed_dropout(self, epoch: int, step_of_epoch: int, rank: int) -> None:
        """Make dropout a function of seed, epoch, step and rank."""
        place = (self.config.seed * 1_000_003 + epoch) * 1_000_003 + step_of_epoch
        seed_dropout((place * 1_009 + rank) % 2**63, self.device)

    # Under a Trainer.

    def configure_optimizers(self) -> Any:
        """The optimizer, and the learning rate scheduler of each step."""
        optimizer = self.make_optimizer()
        factors: list[Callable[[int], float]] = [
            partial(self.lr_multiplier, group["layer_group"]) for group in optimizer.param_groups
        ]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip the gradients to `gradient_clip_norm`."""
        if self.config.gradient_clip_norm:
            self.clip_gradients(optimizer, self.config.gradient_clip_norm, "norm")

    def setup(self, stage: str) -> None:
        """Read the number of processes."""
        self.world = self.trainer.world_size

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Undo the Trainer's division by the number of micro-batches: the loss is a part of the step's mean already."""
        super().backward(loss * self.trainer.accumulate_grad_batches, *args, **kwargs)

    def on_train_epoch_start(self) -> None:
        """Freeze the layers that do not learn in this epoch."""
        self.unfreezing.enter(self.current_epoch)
        self.train_sums = torch.zeros(3 + len(self.learner.logged), dtype=torch.float64)

    def on_train_batch_start(self, batch: Step, batch_idx: int) -> None:
        """Seed dropout at the first micro-batch of each step."""
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self.seed_dropout(self.current_epoch, batch_idx // self.trainer.accumulate_grad_batches, self.global_rank)

    def on_train_batch_end(self, outputs: Any, batch: Step, batch_idx: int) -> None:
        """Add up the sums, and update the moving average after each step of the optimizer."""
        self.train_sums += collected(outputs, batch)
        done = batch_idx + 1
        if self.ema and (done % self.trainer.accumulate_grad_batches == 0 or self.trainer.is_last_batch):
            self.ema.update(self.global_step - 1)

    def on_validation_epoch_start(self) -> None:
        """Give the network the moving average."""
        if self.ema:
            self.ema.swap()
        self.val_sums = torch.zeros(3, dtype=torch.float64)

    def on_validation_batch_end(self, outputs: Any, batch: Step, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add up the sums."""
        self.val_sums += collected(outputs, batch)

    def on_validation_epoch_end(self) -> None:
        """Restore the weights, and log the losses and metrics of the epoch over all processes."""
        if self.ema:
            self.ema.swap()
        metric = self.config.task.epoch_metric
        splits = {"val": self.val_sums}
        if self.trainer.state.fn == TrainerFn.FITTING and not self.trainer.sanity_checking:
            splits["train"] = self.train_sums
        for split, mine in splits.items():
            reduced = self.trainer.strategy.reduce(mine.to(self.device), reduce_op="sum")
            total, hits, *logged, count = reduced.tolist()
            self.log(f"{split}_loss", total / count, sync_dist=True)
            if metric:
                self.log(f"{split}_{metric}", hits / count, sync_dist=True)
            for name, value in zip(self.learner.logged, logged, strict=False):
                self.log(name, value / count, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the learner and the moving average, which are no parameters of the module."""
        ema = self.ema.state_dict() if self.ema else None
        checkpoint["sprout"] = {"learner": self.learner.state_dict(), "ema": ema}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the learner, and keep the moving average for `on_train_start`."""
        kept = checkpoint["sprout"]
        self.learner.load_state_dict(kept["learner"])
        self.resumed_ema = kept["ema"]

    def on_train_start(self) -> None:
        """Restore the moving average, as `configure_optimizers` has started a new one."""
        if self.ema and (resumed := self.__dict__.pop("resumed_ema", None)) is not None:
            self.ema.load_state_dict([tensor.to(self.device) for tensor in resumed])


def sums(found: StepLoss, batch: Batch) -> Tensor:
    """The sums over the valid examples of losses, metrics and what the learner logs: (2 + M,)."""
    losses, metrics = found.losses[: batch.num_valid].detach().sum(), found.metrics[: batch.num_valid].sum()
    both = torch.stack([losses, metrics.to(losses)])
    return both if found.logged is None else torch.cat([both, found.logged.to(losses) * batch.num_valid])


def collected(outputs: Any, step: Step) -> Tensor:
    """The sums of a batch, and its number of examples: (3 + M,) float64 on the CPU."""
    return torch.tensor([*outputs["sums"].tolist(), step[0].num_valid], dtype=torch.float64)
