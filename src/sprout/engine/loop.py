"""The steps of a training, epoch after epoch, on Lightning's Fabric.

Not its Trainer, which adds one or two milliseconds to a step (benchmarks/README.md) and resumes only at the end of an
epoch. Here a training can be ended at any step and resumed to the same bits.
"""

import math
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sprout.config.train import GradientDescent
from sprout.data.loader import Batch, Batches, Step, StepLoader
from sprout.engine.checkpoints import Checkpoints
from sprout.engine.device import on_device
from sprout.engine.module import Sums, TrainingModule
from sprout.engine.process_sync import ProcessSync
from sprout.engine.train_state import Progress, TrainState
from sprout.runtime.errors import TrainingFailedError, UserError
from sprout.runtime.run_context import Row, RunContext
from sprout.runtime.signals import EndRequest, Killed
from sprout.runtime.training_progress import EpochLines, StepLog

UNREAD_STEPS = 50
"""On a GPU losses are read this many steps late, as reading waits for the end of the step."""


class Loop:
    """One training. Every process runs it; rank 0 writes."""

    def __init__(
        self,
        fabric: Fabric,
        module: TrainingModule,
        train: StepLoader,
        val: Batches | None,
        config: GradientDescent,
        context: RunContext,
    ) -> None:
        """Take the components of a training.

        Args:
            fabric: the devices.
            module: the network and how it learns, on its device.
            train: the training steps.
            val: the validation batches; None keeps the last epoch.
            config: the section.
            context: its name, checkpoints and log.
        """
        self.fabric, self.module, self.train, self.val, self.config = fabric, module, train, val, config
        optimizer = module.make_optimizer()
        self.wrapped = fabric.setup_module(module, move_to_device=False)
        self.optimizer = cast(Any, fabric.setup_optimizers(optimizer))
        self.state = TrainState(fabric, module, self.optimizer)
        self.sync, self.log = ProcessSync(fabric), context.log
        self.checkpoints, self.saved = Checkpoints(context.checkpoints, context.name), time.monotonic()
        self.display = EpochLines(context.name, config.epochs, quiet=fabric.global_rank > 0)
        self.step_log = StepLog(context.log, config.log_steps, train.micro_batches, module.learner.logged)
        self.unread: list[tuple[int, Tensor, int]] = []
        self.max_unread = UNREAD_STEPS if fabric.device.type != "cpu" else 1

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self.state.progress

    def run(self, request: EndRequest) -> None:
        """Train to the end, from the newest checkpoint if there is one."""
        self.checkpoints.restore(self.state.restore)
        if not self.sync.same(self.progress.step):
            raise UserError(
                f"{self.checkpoints.folder}: the processes find different checkpoints there; let all nodes share one "
                "folder"
            )
        for row in self.progress.history:  # the run is a new one, without the epochs done before
            self.log_row(row)
        self.display.start(self.config.epochs * len(self.train), self.progress.step)
        try:
            while not self.progress.ended:
                self.run_epoch(request)
        finally:
            self.display.close()
        if not self.state.best:
            raise TrainingFailedError(
                f"{self.checkpoints.name}: the loss on val was NaN or infinite in every epoch: {self.remedy}"
            )

    def run_epoch(self, request: EndRequest) -> None:
        """Run the rest of an epoch, and its validation."""
        progress = self.progress
        self.module.train()
        if self.module.unfreezing.enter(progress.epoch):
            self.wrapped = self.fabric.setup_module(self.module, move_to_device=False)
        for micro_batches in self.train.steps(progress.epoch, progress.step_of_epoch):
            self.step(micro_batches)
            self.display.step(progress.step)
            ending, due = self.sync.any(request.signum is not None, self.checkpoint_due())
            if ending:
                self.leave(request)
            if due:
                self.save()
        self.read_losses()
        row = self.validate(request)
        if row is None:
            self.leave(request)
        progress.close_epoch(row)
        progress.ended = progress.is_last_epoch(self.config)
        self.save()
        self.log_row(row)
        self.display.epoch(row)

    def step(self, micro_batches: list[Step]) -> None:
        """Take one step of the optimizer."""
        progress, module = self.progress, self.module
        base_lr, multipliers = self.lr(progress.step), module.unfreezing.lr_multipliers(progress.epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = base_lr * multipliers[group["layer_group"]]
        module.seed_dropout(progress.epoch, progress.step_of_epoch, self.fabric.global_rank)
        for number, host in enumerate(micro_batches, start=1):
            with self.without_sync(number < len(micro_batches)):
                with self.fabric.autocast():
                    found: Sums = self.wrapped.training_step(self.on_device(host))
                self.unread.append((progress.step, found["sums"], host[0].num_valid))
                if len(self.unread) >= self.max_unread:
                    self.read_losses()
                self.fabric.backward(found["loss"])
        if norm := self.config.gradient_clip_norm:
            self.fabric.clip_gradients(module, self.optimizer, max_norm=norm, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if module.ema:
            module.ema.update(progress.step)
        progress.step, progress.step_of_epoch = progress.step + 1, progress.step_of_epoch + 1

    def on_device(self, step: Step) -> Step:
        """The batch of each stream, on the device."""
        return tuple(on_device(batch, self.fabric.device) for batch in step)

    def without_sync(self, not_last: bool) -> AbstractContextManager[Any]:
        """No all-reduce of gradients before the last micro-batch of a step."""
        return self.fabric.no_backward_sync(self.wrapped) if not_last else nullcontext()

    def read_losses(self) -> None:
        """Read the losses that are still on the device, add them up, and log some; fail if one is NaN or infinite."""
        if not self.unread:
            return
        read = torch.stack([sums for _, sums, _ in self.unread]).tolist()
        for (step, _, count), sums in zip(self.unread, read, strict=True):
            if not math.isfinite(sums[0]):
                self.unread.clear()
                self.fail(step, sums[0])
            self.progress.add([*sums, count])
            self.step_log.add(step, [*sums, count], self.lr(step))
        self.unread.clear()
        if self.max_unread > 1:
            self.state.keep_finite()

    def lr(self, step: int) -> float:
        """The learning rate at a step, of all layers without a multiplier."""
        return self.config.lr * self.module.schedule(step)

    @property
    def remedy(self) -> str:
        """What a user can do about a loss that is NaN or infinite."""
        return f"lower its lr={self.config.lr}, or clip its gradients by gradient_clip_norm"

    def fail(self, step: int, loss: float) -> None:
        """Save the last finite weights, and raise an error: the loss of this step is NaN or infinite."""
        kept = self.state.save_last_finite(self.checkpoints.folder)
        raise TrainingFailedError(
            f"{self.checkpoints.name}: the loss is {loss} in step {step + 1} (epoch {self.progress.epoch + 1}): "
            f"{self.remedy}; {kept}"
        )

    @torch.no_grad()
    def validate(self, request: EndRequest) -> Row | None:
        """Validate the weights or their moving average; return the row of history, or None if a signal ends it."""
        sums = torch.zeros(3, dtype=torch.float64)
        self.module.eval()
        with self.module.ema.applied() if self.module.ema else nullcontext():
            for (host,) in self.val.steps(0) if self.val else ():
                sums += self.validate_batch(host)
                if self.sync.any(request.signum is not None)[0]:
                    return None
            row = self.row(self.sync.total(sums) if self.val else None)
            if self.is_best(row):
                self.state.keep_best()
        return row

    def is_best(self, row: Row) -> bool:
        """Whether the running epoch is the best so far; without a validation split each is.

        Weights whose loss on val is NaN or infinite are never the best, whatever their accuracy.
        """
        if self.val:
            value = row[self.config.monitor] if math.isfinite(row["val_loss"]) else math.nan
            return self.progress.update_best(value, less_is_better=self.config.less_is_better)
        self.progress.best_epoch = self.progress.epoch
        return True

    def validate_batch(self, host: Batch) -> Tensor:
        """Sums of loss and metric, and the number of examples: (3,) float64."""
        with self.fabric.autocast():
            found: Sums = self.wrapped.validation_step(self.on_device((host,)))
        return torch.tensor([*found["sums"].tolist(), host.num_valid], dtype=torch.float64)

    def row(self, validated: list[float] | None) -> Row:
        """The row of history of the running epoch, from 1; `validated` are the sums on val, or None."""
        progress, name = self.progress, self.config.task.epoch_metric
        trained = self.sync.total(torch.tensor(progress.sums, dtype=torch.float64))
        row: Row = {"epoch": progress.epoch + 1, "lr": self.lr(progress.step - 1)}
        sums = [("train", trained), *([("val", validated)] if validated else [])]
        for split, (loss, metric, *logged, count) in sums:
            row[f"{split}_loss"] = loss / count
            if name:
                row[f"{split}_{name}"] = metric / count
            row |= {key: value / count for key, value in zip(self.module.learner.logged, logged, strict=False)}
        return row

    def checkpoint_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved > 60 * self.config.checkpoint_minutes

    def log_row(self, row: Row) -> None:
        """Log the metrics of an epoch."""
        self.log({key: value for key, value in row.items() if key != "epoch"}, int(row["epoch"]))

    def leave(self, request: EndRequest) -> NoReturn:
        """Write a checkpoint and end, as a signal has asked."""
        self.save()
        self.checkpoints.say(f"saved after step {self.progress.step} (epoch {self.progress.epoch + 1}); resumes there")
        raise Killed(request.signum or signal.SIGTERM)  # the signal may have reached another process

    def save(self) -> None:
        """Write a checkpoint; all processes call this at the same step."""
        self.read_losses()
        progress = self.progress
        if self.fabric.world_size > 1:
            total = self.sync.total(torch.tensor(progress.sums, dtype=torch.float64))
            progress.clear_sums()
            if self.fabric.global_rank == 0:
                progress.add(total)
        if self.fabric.global_rank == 0:
            self.checkpoints.save(self.state.state(), progress.step)
        self.saved = time.monotonic()
