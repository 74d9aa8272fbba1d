"""One training: a network, its examples and plain arguments in, the best weights and the history out."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from sprout.core.errors import UserError, one_line
from sprout.models.normalise import Normalise
from sprout.training.batches import Batches, Examples
from sprout.training.checkpoints import WholeCheckpoints, resume_from
from sprout.training.classify import Classifier, Log
from sprout.training.epoch_lines import EpochLines

VAL_BATCH = 1000


@dataclass(frozen=True)
class Fitted:
    """What a training found."""

    weights: dict[str, Tensor]
    """The network's state at the best epoch, on the CPU."""
    history: list[dict[str, float]]
    """One row per epoch: epoch, lr, and loss and accuracy on train and val."""
    best_epoch: int


class Data(pl.LightningDataModule):
    """Batches by index; each process takes its part of every training batch and validates on all."""

    def __init__(self, train: Examples, val: Examples, batch_size: int, seed: int) -> None:
        """Take the examples; the order follows from the seed."""
        super().__init__()
        self.train, self.val, self.batch_size, self.seed = train, val, batch_size, seed

    def train_dataloader(self) -> Batches:
        """Shuffled anew in every epoch."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        return Batches(self.train, self.batch_size, seed=self.seed, rank=rank, world=world)

    def val_dataloader(self) -> Batches:
        """In the examples' own order."""
        return Batches(self.val, VAL_BATCH)


class StopStopped(Callback):
    """A training that early stopping had ended before it was killed is not trained further."""

    def __init__(self, stopping: EarlyStopping) -> None:
        """Watch this one."""
        self.stopping = stopping

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Its count has come back from the checkpoint."""
        trainer.should_stop = self.stopping.wait_count >= self.stopping.patience


def fit(
    network: nn.Module,
    train: Examples,
    val: Examples,
    *,
    mean: list[float],
    std: list[float],
    checkpoints: Path,
    log: Log,
    what: str,
    epochs: int,
    batch_size: int,
    lr: float,
    optimizer: dict[str, Any],
    schedule: dict[str, Any],
    label_smoothing: float,
    transforms: dict[str, Any],
    monitor: str,
    patience: int | None,
    seed: int,
    accelerator: str,
    devices: int,
    nodes: int,
    strategy: str,
    precision: Any,
    log_steps: int,
) -> Fitted | None:
    """Train a network, going on from what an earlier, killed attempt left in `checkpoints`.

    Ranks above 0 return None: the first one writes.

    Args:
        network: (N, C, H, W) or (N, F) → (N, K) logits; trained in place.
        train: the labelled training examples.
        val: the validation examples, which pick the best epoch.
        mean: per channel, pixels scaled to 0..1; or per feature of a table.
        std: likewise.
        checkpoints: a folder of this very training (same inputs, same settings).
        log: takes (metrics, step).
        what: said beside the progress bar.
        epochs: see `settings.train.Train` for this and all that follow.

    Raises:
        UserError: settings that do not fit the examples or this machine.
    """
    model = Classifier(
        network,
        Normalise(mean, std),
        transforms=transforms,
        lr=lr,
        optimizer=optimizer,
        schedule=schedule,
        label_smoothing=label_smoothing,
        seed=seed,
        log_steps=log_steps,
        log=log,
    )
    best = best_and_last(checkpoints, monitor)
    callbacks: list[Callback] = [EpochLines(what), best]
    if patience is not None:
        stopping = EarlyStopping(monitor, patience=patience, mode=mode(monitor), check_on_train_epoch_end=True)
        callbacks += [stopping, StopStopped(stopping)]
    with quiet():
        trainer = make_trainer(
            max_epochs=epochs,
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=strategy,
            precision=precision,
            callbacks=callbacks,
            default_root_dir=checkpoints,
        )
        resumed = resume_from(checkpoints, what)
        trainer.fit(model, datamodule=Data(train, val, batch_size, seed), ckpt_path=resumed, weights_only=True)
    return fitted(Path(best.best_model_path), model.history) if trainer.is_global_zero else None


def make_trainer(**arguments: Any) -> pl.Trainer:
    """A trainer that leaves logging and progress to us; what this machine lacks is said in one line."""
    try:
        return pl.Trainer(
            logger=False,
            plugins=[WholeCheckpoints()],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            deterministic=not torch.cuda.is_available() or arguments["accelerator"] == "cpu",
            **arguments,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        asked = ", ".join(
            f"train.{key}={arguments[key]}" for key in ("accelerator", "devices", "strategy", "precision")
        )
        raise UserError(f"{asked}: not possible here: {one_line(error)}") from None


def best_and_last(folder: Path, monitor: str) -> ModelCheckpoint:
    """Keep the best epoch, and the last one to go on from."""
    return ModelCheckpoint(
        folder,
        filename="best-{epoch}",
        monitor=monitor,
        mode=mode(monitor),
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def fitted(best: Path, history: list[dict[str, float]]) -> Fitted:
    """Read the best epoch's weights back."""
    checkpoint = torch.load(best, map_location="cpu", weights_only=True)
    prefix = "network."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    return Fitted(weights, history, checkpoint["epoch"])


def mode(monitor: str) -> str:
    """Whether less is better."""
    return "min" if monitor.endswith("loss") else "max"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Lightning says to itself, where a user could mend nothing."""
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning 2.6 on torch's newer pytree.
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        # A resumed training finds its own checkpoints.
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        # The weights of a convolution over one channel have two valid strides.
        warnings.filterwarnings("ignore", ".*Grad strides do not match.*")
        yield
