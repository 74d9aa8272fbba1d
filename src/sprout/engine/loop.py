"""The steps of a training, epoch after epoch, on Lightning's Fabric.

Not its Trainer, which takes one or two milliseconds a step for itself (benchmarks/README.md) and goes on from the ends
of epochs only. Here a training ends and goes on at any step, to the same bits.
"""

import math
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sprout.data.dataset import Batch, Batches
from sprout.engine.checkpoints import Checkpoints
from sprout.engine.device import on_device, seed_dropout
from sprout.engine.ema import WeightAverage
from sprout.engine.epoch_lines import EpochLines
from sprout.engine.module import Learner
from sprout.engine.plan import Log
from sprout.engine.step_log import StepLog
from sprout.engine.stopping import Stopping
from sprout.engine.sync import ProcessSync
from sprout.engine.train_state import NOTHING, Progress, Row, TrainState
from sprout.engine.unfreezing import Unfreezing
from sprout.runtime.errors import TrainingFailedError, UserError
from sprout.runtime.signals import Killed, Request

UNREAD_STEPS = 50
"""On a GPU a loss is read so many steps late: reading it waits for the step's end."""


class Loop:
    """One training. Every process runs it; the first one writes."""

    def __init__(
        self,
        fabric: Fabric,
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        train: Batches,
        val: Batches,
        *,
        rate: float,
        factor: Callable[[int], float],
        stopping: Stopping,
        unfreezing: Unfreezing,
        average: WeightAverage | None,
        clip: float | None,
        seed: int,
        log_steps: int,
        checkpoint_seconds: float,
        checkpoints: Checkpoints,
        lines: EpochLines,
        log: Log,
    ) -> None:
        """Take the parts of a training.

        Args:
            fabric: the devices.
            learner: the network and its task, on the device.
            optimizer: of the learner's parameters; the key `part` of each group says to which part it belongs.
            train: the training batches.
            val: the validation batches.
            rate: the learning rate at its peak.
            factor: its share at each step.
            stopping: when it is over, and which epoch is the best.
            unfreezing: which parts of the network learn, and how fast, in each epoch.
            average: follows the weights, and takes their place in validation and at the end.
            clip: the norm that gradients are cut to.
            seed: of dropout.
            log_steps: log loss and learning rate every so many steps; 0 for never.
            checkpoint_seconds: within an epoch.
            checkpoints: where to go on from.
            lines: shows progress.
            log: takes (metrics, step).
        """
        self.fabric, self.learner, self.train, self.val = fabric, learner, train, val
        self.module = fabric.setup_module(learner, move_to_device=False)
        self.optimizer = cast(Any, fabric.setup_optimizers(optimizer))
        self.rate, self.factor, self.stopping, self.unfreezing = rate, factor, stopping, unfreezing
        self.average, self.clip, self.seed = average, clip, seed
        self.log, self.lines, self.steps = log, lines, StepLog(log, log_steps, train.parts, self.current_rate)
        self.checkpoints, self.checkpoint_seconds, self.saved = checkpoints, checkpoint_seconds, time.monotonic()
        self.standing = TrainState(fabric, learner, self.optimizer, average)
        self.unread: list[tuple[int, Tensor, int]] = []
        self.read_late = UNREAD_STEPS if fabric.device.type != "cpu" else 1
        self.agreement = ProcessSync(fabric)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self.standing.progress

    def run(self, request: Request) -> None:
        """Train to the end, from wherever it was left."""
        self.checkpoints.restore(self.standing.take)
        if not self.agreement.same(self.progress.step):
            raise UserError(
                f"{self.checkpoints.folder}: the processes find other checkpoints there; let all nodes see one folder"
            )
        for row in self.progress.history:  # this is another run than the one that was ended
            self.log_row(row)
        self.lines.start(self.stopping.epochs * len(self.train), self.progress.step)
        try:
            while not self.progress.ended:
                self.run_epoch(request)
        finally:
            self.lines.close()
        if not self.standing.best:
            raise TrainingFailedError(
                f"{self.checkpoints.what}: {self.stopping.monitor} was no number in any epoch: lower "
                f"train.lr={self.rate}, or cut the gradients by train.clip"
            )

    def run_epoch(self, request: Request) -> None:
        """The rest of an epoch, and its validation."""
        progress = self.progress
        self.learner.train()
        if self.unfreezing.enter(progress.epoch):
            self.module = self.fabric.setup_module(self.learner, move_to_device=False)
        for parts in self.train.steps(progress.epoch, progress.step_of_epoch):
            self.step(parts)
            self.lines.step(progress.step)
            asked, due = self.agreement.any(request.signum is not None, self.due())
            if asked:
                self.leave(request)
            if due:
                self.save()
        self.read()
        row = self.validate(request)
        if row is None:
            self.leave(request)
        progress.close_epoch(row)
        progress.ended = self.stopping.over(progress)
        self.save()
        self.log_row(row)
        self.lines.epoch(row)

    def step(self, parts: list[Batch]) -> None:
        """One step of the optimizer."""
        progress = self.progress
        rates = self.unfreezing.rates(progress.epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * self.factor(progress.step) * rates[group["part"]]
        # Dropout follows from where we are.
        place = (self.seed * 1_000_003 + progress.epoch) * 1_000_003 + progress.step_of_epoch
        seed_dropout((place * 1_009 + self.fabric.global_rank) % 2**63, self.fabric.device)
        for number, host in enumerate(parts):
            batch = on_device(host, self.fabric.device)
            with self.unshared(number < len(parts) - 1):
                with self.fabric.autocast():
                    found = self.module.training_step(batch)
                self.unread.append(
                    (progress.step, torch.stack([found["total"], found["figure"].to(found["total"])]), host.counted)
                )
                if len(self.unread) >= self.read_late:
                    self.read()
                self.fabric.backward(found["loss"])
        if self.clip:
            self.fabric.clip_gradients(self.learner, self.optimizer, max_norm=self.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update(progress.step)
        progress.step, progress.step_of_epoch = progress.step + 1, progress.step_of_epoch + 1

    def unshared(self, more_to_come: bool) -> AbstractContextManager[Any]:
        """Processes share their gradients once a step."""
        return self.fabric.no_backward_sync(self.module) if more_to_come else nullcontext()

    def read(self) -> None:
        """Read the losses that are still on the device: add them up, log some, and end where one is no number."""
        if not self.unread:
            return
        read = torch.stack([sums for _, sums, _ in self.unread]).tolist()
        for (step, _, count), (loss, figure) in zip(self.unread, read, strict=True):
            if not math.isfinite(loss):
                self.unread.clear()
                self.fail(step, loss)
            self.progress.add(loss, figure, count)
            self.steps.part(step, loss, count)
        self.unread.clear()
        if self.read_late > 1:
            self.standing.keep_finite()

    def current_rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.rate * self.factor(step)

    def fail(self, step: int, loss: float) -> None:
        """The loss of this step is no number: keep the last finite weights, and say so."""
        kept = self.standing.save_last_finite(self.checkpoints.folder)
        raise TrainingFailedError(
            f"{self.checkpoints.what}: the loss is {loss} in step {step + 1} (epoch {self.progress.epoch + 1}): lower "
            f"train.lr={self.rate}, or cut the gradients by train.clip; {kept}"
        )

    @torch.no_grad()
    def validate(self, request: Request) -> Row | None:
        """The epoch's row of history, by the average of the weights where there is one; None where it shall end."""
        sums = torch.zeros(3, dtype=torch.float64)
        self.learner.eval()
        with self.average.applied() if self.average else nullcontext():
            for (host,) in self.val.steps(0):
                with self.fabric.autocast():
                    found = self.module.validation_step(on_device(host, self.fabric.device))
                total, figure = torch.stack([found["total"], found["figure"].to(found["total"])]).tolist()
                sums += torch.tensor([total, figure, host.counted], dtype=torch.float64)
                if self.agreement.any(request.signum is not None)[0]:
                    return None
            row = self.row(self.agreement.total(sums))
            if self.progress.judge(row[self.stopping.monitor], self.stopping.less_is_better):
                self.standing.keep_best()
        return row

    def row(self, validated: list[float]) -> Row:
        """One epoch's line of history."""
        progress, name = self.progress, self.learner.task.figure
        trained = self.agreement.total(torch.tensor(progress.sums, dtype=torch.float64))
        row: Row = {"epoch": progress.epoch, "lr": self.current_rate(progress.step - 1)}
        for split, (loss, figure, count) in (("train", trained), ("val", validated)):
            row[f"{split}_loss"] = loss / count
            if name:
                row[f"{split}_{name}"] = figure / count
        return row

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved > self.checkpoint_seconds

    def log_row(self, row: Row) -> None:
        """Log one epoch."""
        self.log({key: value for key, value in row.items() if key != "epoch"}, int(row["epoch"]))

    def leave(self, request: Request) -> NoReturn:
        """Write where it is and end, as a signal asked."""
        self.save()
        self.checkpoints.say(
            f"saved after step {self.progress.step} (epoch {self.progress.epoch + 1}); it goes on from there"
        )
        raise Killed(request.signum or signal.SIGTERM)  # another process may have been asked

    def save(self) -> None:
        """Write a checkpoint; all processes come here at the same step."""
        self.read()
        progress = self.progress
        if self.fabric.world_size > 1:
            loss, figure, count = self.agreement.total(torch.tensor(progress.sums, dtype=torch.float64))
            progress.sums = (loss, figure, count) if self.fabric.global_rank == 0 else NOTHING
        if self.fabric.global_rank == 0:
            self.checkpoints.save(self.standing.state(), progress.step)
        self.saved = time.monotonic()
