"""Write the result of a training: the model, its history and its metrics on val."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from sprout.data.dataset import Examples
from sprout.evaluate.calibration import BINS
from sprout.models.build import count_parameters
from sprout.models.card import ModelCard, save_model
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_json, write_rows
from sprout.runtime.run_context import Row

HISTORY = ("epoch", "lr", "train_loss", "val_loss")
"""The columns of a history without epochs."""


def write_result(
    folder: Path, network: nn.Module, card: ModelCard, val: Examples, history: Sequence[Row], best_epoch: int
) -> None:
    """Calibrate, measure on val, and write the model folder.

    Args:
        folder: an empty folder.
        network: trained, in evaluation mode, on the CPU.
        card: the model.
        val: the validation examples, of one store.
        history: a row for each epoch.
        best_epoch: the epoch of the weights.
    """
    store, predictor = val.stores[0], Predictor(network, card)
    task = predictor.task
    examined = task.examine(predictor, store, f"{card.role}: val")
    card = task.calibrated(replace(card, parameters=count_parameters(network)), examined, val)
    metrics = task.metrics(examined, card, store, BINS)
    save_model(folder, network.state_dict(), card)
    task.write_details(folder, network, card, examined, val)
    write_rows(folder / "history.csv", list(history[0]) if history else HISTORY, history)
    write_json(folder / "metrics.json", {"epochs": len(history), "best_epoch": best_epoch, "val": metrics})
    epochs = f"{len(history)} epochs, best epoch {best_epoch} (from 0), " if history else ""
    print(f"{card.role}: {epochs}{task.summary(metrics)}")
