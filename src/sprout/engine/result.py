"""Write the result of a training: the model, its history and its metrics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from sprout.data.dataset import Measured
from sprout.data.store import class_indices
from sprout.evaluate.calibration import BINS
from sprout.models.build import count_parameters
from sprout.models.card import OUT_OF_FOLD, ModelCard, save_model
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_json, write_rows
from sprout.runtime.run_context import Row

HISTORY = ("epoch", "lr", "train_loss", "val_loss")
"""The columns of a history without epochs."""


def write_result(
    folder: Path,
    network: nn.Module,
    card: ModelCard,
    measured: Measured,
    history: Sequence[Row],
    best_epoch: int,
    *,
    name: str,
) -> None:
    """Calibrate, measure, and write the model folder.

    Args:
        folder: an empty folder.
        network: trained, in evaluation mode, on the CPU.
        card: the model.
        measured: what the model is calibrated and measured by.
        history: a row for each epoch, counted from 1.
        best_epoch: the epoch of the weights, counted from 0; what people read counts from 1.
        name: of the training, for the terminal.
    """
    crossed = measured.examined is not None
    store, val, predictor = measured.store, measured.examples, Predictor(network, card)
    task, examined = predictor.task, measured.examined
    if examined is None:
        examined = task.examine(predictor, store, f"{name}: {measured.noun}")
    else:
        np.save(folder / OUT_OF_FOLD, examined)
    card = task.calibrated(replace(card, parameters=count_parameters(network)), examined, val)
    outcomes = task.outcomes(examined, card, class_indices(store.columns("label")))
    metrics = task.metrics(outcomes, card, store, BINS)
    save_model(folder, network.state_dict(), card)
    task.write_details(folder, network, card, outcomes, val)
    write_rows(folder / "history.csv", list(history[0]) if history else HISTORY, history)
    best = best_epoch + 1 if history else None
    write_json(folder / "metrics.json", {"epochs": len(history), "best_epoch": best, "val": metrics})
    epochs = f"{len(history)} epoch{'' if len(history) == 1 else 's'}, the weights of epoch {best}, " if history else ""
    print(f"{name}: {epochs}{task.summary(metrics, len(val), crossed=crossed)} on {len(val):,} {measured.noun}")
