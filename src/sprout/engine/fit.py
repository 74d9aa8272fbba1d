"""One training: a network, its examples and plain arguments in, the best weights and the history out."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from sprout.data.dataset import Batches, Examples
from sprout.data.store import Array
from sprout.engine.checkpoints import Checkpoints
from sprout.engine.ema import WeightAverage
from sprout.engine.epoch_lines import EpochLines
from sprout.engine.loop import Loop
from sprout.engine.module import Learner
from sprout.engine.optimizers import optimizer as make_optimizer
from sprout.engine.plan import Log
from sprout.engine.schedule import schedule as make_schedule
from sprout.engine.stopping import Stopping
from sprout.engine.tasks import Task
from sprout.engine.train_state import Row
from sprout.engine.unfreezing import Unfreezing
from sprout.models.normalise import Normalise
from sprout.models.predictor import at_once
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.launch import rank
from sprout.runtime.signals import requests

VAL_BATCH = 1000
"""Examples in a batch of val, at most."""


@dataclass(frozen=True)
class Fitted:
    """What a training found."""

    weights: dict[str, Tensor]
    """The network's state at the best epoch, on the CPU."""
    history: list[Row]
    """One row per epoch: epoch, lr, and loss and the task's figure on train and val."""
    best_epoch: int


def fit(network: nn.Module, train: Examples, val: Examples, **settings: Any) -> Fitted | None:
    """Train a network, going on from what an earlier, ended attempt left behind.

    Ranks above 0 return None: the first one writes.

    Args:
        network: (N, C, H, W) or (N, F) → what the task makes of it; trained in place.
        train: the training examples.
        val: the validation examples, which pick the best epoch.
        settings: further keyword arguments of `make_loop`.

    Raises:
        UserError: settings that do not fit this machine; or a loss that is no number.
        Killed: a signal asked for it; the training goes on from there the next time.
    """
    with quiet(), deterministic(settings["accelerator"]), requests() as request:
        loop = make_loop(network, train, val, **settings)
        loop.run(request)
    progress = loop.progress
    return Fitted(loop.standing.best, progress.history, progress.best_epoch) if rank() == 0 else None


def make_loop(
    network: nn.Module,
    train: Examples,
    val: Examples,
    *,
    task: Task,
    targets: tuple[Array, Array],
    mean: list[float],
    std: list[float],
    checkpoints: Path,
    log: Log,
    what: str,
    epochs: int,
    batch_size: int,
    accumulate: int,
    lr: float,
    optimizer: dict[str, Any],
    schedule: dict[str, Any],
    clip: float | None,
    ema: float | None,
    transforms: dict[str, Any],
    monitor: str,
    patience: int | None,
    stop_at: float | None,
    unfreeze: dict[str, Any] | None,
    seed: int,
    accelerator: str,
    devices: int,
    nodes: int,
    strategy: str,
    precision: Any,
    channels_last: bool,
    compile: bool,
    checkpoint_minutes: float,
    log_steps: int,
) -> Loop:
    """Put a training together.

    Args:
        network: (N, C, H, W) or (N, F) → what the task makes of it.
        train: the training examples.
        val: the validation examples.
        task: what is learned.
        targets: of train and val, (N,) each: class indices, or numbers in the network's scale.
        mean: per channel, pixels scaled to 0..1; or per feature of a table.
        std: likewise.
        checkpoints: a folder of this very training (same inputs, same settings).
        log: takes (metrics, step).
        what: said in front of every line.
        epochs: see `settings.train.GradientDescent` for this and all that follow.

    Raises:
        UserError: settings that do not fit this machine.
    """
    fabric = make_fabric(accelerator, devices, nodes, strategy, precision)
    layout = torch.channels_last if channels_last and len(train.shape) == 3 else torch.contiguous_format
    network.to(memory_format=layout)
    place, world = fabric.global_rank, fabric.world_size
    learner: Any = Learner(
        network,
        Normalise(mean, std),
        task,
        transforms=transforms,
        layout=layout,
        seed=seed,
        world=world,
        compile=compile,
    )
    learner = fabric.strategy.precision.convert_module(learner.to(fabric.device))
    unfreezing = Unfreezing(network, unfreeze)
    val_size = min(VAL_BATCH, max(batch_size, at_once(network, val.shape)))
    steps = Batches(train, batch_size, targets=targets[0], seed=seed, parts=accumulate, rank=place, world=world)
    return Loop(
        fabric,
        learner,
        make_optimizer(unfreezing.parts, lr, **optimizer, fused=precision != "16-mixed"),
        steps,
        Batches(val, val_size, targets=targets[1], rank=place, world=world),
        rate=lr,
        factor=make_schedule(**schedule, steps=epochs * len(steps)),
        stopping=Stopping(epochs, monitor, patience, stop_at),
        unfreezing=unfreezing,
        average=WeightAverage(network, ema) if ema else None,
        clip=clip,
        seed=seed,
        log_steps=log_steps,
        checkpoint_seconds=60 * checkpoint_minutes,
        checkpoints=Checkpoints(checkpoints, what),
        lines=EpochLines(what, epochs, quiet=place > 0),
        log=log,
    )


def make_fabric(accelerator: str, devices: int, nodes: int, strategy: str, precision: Any) -> Fabric:
    """Lightning's Fabric on these devices; what this machine lacks is said in one line."""
    try:
        fabric = Fabric(
            accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy, precision=precision
        )
        fabric.launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        asked = f"train.accelerator={accelerator}, devices={devices}, strategy={strategy}, precision={precision}"
        raise UserError(f"{asked}: not possible here: {one_line(error)}") from None
    # Only with several devices would it turn rows and targets into the network's format, before they are scaled.
    precision_of: Any = fabric.strategy.precision
    precision_of.convert_input = keep
    if fabric.device.type == "cpu":
        # Lightning sets it to 1: where there is no GPU, each step of Adam would then look for NVIDIA's library.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return fabric


def keep(data: Any) -> Any:
    """The data as it is."""
    return data


@contextmanager
def deterministic(accelerator: str) -> Iterator[None]:
    """The same bits for the same CPU; a GPU would lose too much speed by it."""
    mode: Any = torch.utils.deterministic
    before, filled = torch.are_deterministic_algorithms_enabled(), mode.fill_uninitialized_memory
    torch.use_deterministic_algorithms(accelerator == "cpu" or not torch.cuda.is_available())
    mode.fill_uninitialized_memory = False  # a debugging aid, which costs time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        mode.fill_uninitialized_memory = filled


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Lightning and torch say to themselves, where a user could mend nothing."""
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning 2.6 on torch's newer pytree.
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        # That is refused.
        warnings.filterwarnings("ignore", ".*AMP with fp16 is not supported.*")
        # The weights of a convolution over one channel have two valid strides.
        warnings.filterwarnings("ignore", ".*Grad strides do not match.*")
        yield
