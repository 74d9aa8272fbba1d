"""Train a network: from network, examples and settings to the best weights and the history."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from sprout.config.train import GradientDescent
from sprout.data.dataset import TrainingData
from sprout.data.loader import Shares
from sprout.data.store import Array
from sprout.engine.data_module import training_steps, validation_batches
from sprout.engine.loop import Loop
from sprout.engine.module import TrainingModule
from sprout.models.card import ModelCard
from sprout.models.predictor import max_batch
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.launch import rank
from sprout.runtime.run_context import Row, RunContext
from sprout.runtime.signals import deferred_signals

VAL_BATCH = 1000
"""Largest batch size on the validation split."""


@dataclass(frozen=True)
class Trainee:
    """What is trained."""

    network: nn.Module
    """(N, C, H, W) or (N, F) → the outputs that the method asks for; trained in place."""
    card: ModelCard


@dataclass(frozen=True)
class Fitted:
    """The result of a training."""

    weights: dict[str, Tensor]
    """The network's state at the best epoch, on the CPU."""
    history: list[Row]
    """One row per epoch: epoch (from 1), lr, and the loss and the metric of the task on train and val."""
    best_epoch: int
    arrays: dict[str, Array]
    """What the method leaves beside the model, see `Learner.arrays`."""


def fit(model: Trainee, data: TrainingData, config: GradientDescent, context: RunContext) -> Fitted | None:
    """Train a network, from the newest checkpoint if there is one.

    Ranks above 0 return None, as rank 0 writes the result.

    Args:
        model: what is trained.
        data: the examples; those of val pick the best epoch.
        config: the section, with method and task.
        context: name, checkpoints and log.

    Raises:
        UserError: the settings do not fit this machine.
        TrainingFailedError: a loss is NaN or infinite.
        Killed: a signal has ended it; the next call resumes there.
    """
    with quiet(), deterministic(config.accelerator), deferred_signals() as request:
        loop = make_loop(model, data, config, context)
        loop.run(request)
    progress = loop.progress
    if rank() > 0:
        return None
    return Fitted(loop.state.best, progress.history, progress.best_epoch, loop.module.learner.arrays())


def make_loop(model: Trainee, data: TrainingData, config: GradientDescent, context: RunContext) -> Loop:
    """Build the loop of a training; the arguments are those of `fit`."""
    fabric = make_fabric(config)
    shares = Shares(fabric.global_rank, fabric.world_size, config.accumulate_grad_batches)
    train = training_steps(data, model.card, config, shares)
    val_size = min(VAL_BATCH, max(config.batch_size, max_batch(model.network, data.train.shape)))
    val = validation_batches(data.val, model.card, config, val_size, shares._replace(micro_batches=1))
    module = make_module(model, data, config, world=fabric.world_size, steps_per_epoch=len(train))
    converted: Any = fabric.strategy.precision.convert_module(module.to(fabric.device))
    return Loop(fabric, converted, train, val, config, context)


def make_module(
    model: Trainee, data: TrainingData, config: GradientDescent, *, steps_per_epoch: int, world: int = 1
) -> TrainingModule:
    """The Lightning module of a training, with the learner of its method."""
    learner = config.method.learner(config.task, data, model.card)
    return TrainingModule(model.network, model.card, learner, config, steps_per_epoch=steps_per_epoch, world=world)


def make_fabric(config: GradientDescent) -> Fabric:
    """Lightning's Fabric on the devices that the section names.

    Raises:
        UserError: this machine lacks them.
    """
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.processes[0],
            num_nodes=config.nodes,
            strategy=config.strategy,
            precision=config.precision,
        )
        fabric.launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        keys = ("accelerator", "devices", "strategy", "precision")
        asked = ", ".join(f"{key}={getattr(config, key)}" for key in keys)
        raise UserError(f"{asked}: not possible here: {one_line(error)}") from None
    # With several devices Fabric would convert rows and targets to the precision of the network before they are scaled.
    precision: Any = fabric.strategy.precision
    precision.convert_input = unchanged
    if fabric.device.type == "cpu":
        # Lightning sets it to 1; without a GPU each step of Adam would then look for the library of NVIDIA.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return fabric


def unchanged(data: Any) -> Any:
    """The data as it is."""
    return data


@contextmanager
def deterministic(accelerator: str) -> Iterator[None]:
    """Use deterministic algorithms on a CPU, for the same bits; on a GPU they would be too slow."""
    mode: Any = torch.utils.deterministic
    before, filled = torch.are_deterministic_algorithms_enabled(), mode.fill_uninitialized_memory
    torch.use_deterministic_algorithms(accelerator == "cpu" or not torch.cuda.is_available())
    mode.fill_uninitialized_memory = False  # a slow debugging aid
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        mode.fill_uninitialized_memory = filled


@contextmanager
def quiet() -> Iterator[None]:
    """Silence messages of Lightning and torch that no user can act on."""
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning 2.6 with a newer pytree of torch.
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        # 16-mixed on a CPU is refused by check_machine.
        warnings.filterwarnings("ignore", ".*AMP with fp16 is not supported.*")
        # The weights of a convolution over one channel have two valid strides.
        warnings.filterwarnings("ignore", ".*Grad strides do not match.*")
        yield
