"""What a training hands on: the model, its history and its figures on val."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from sprout.data.dataset import Examples
from sprout.engine.coefficients import write_coefficients
from sprout.engine.train_state import Row
from sprout.evaluate.calibration import BINS, fit_temperature
from sprout.measure import examine, measure
from sprout.metrics import PER_CLASS, Figures, per_class
from sprout.models import parameters
from sprout.models.card import ModelCard, save_model
from sprout.models.predictor import Predictor, softmax
from sprout.runtime.files import write_json, write_rows

HISTORY = ("epoch", "lr", "train_loss", "val_loss")
"""The columns that every history has, one without epochs too."""
TOLD = {
    "classify": lambda figures: f"val error {figures['error_rate']:.2%}",
    "regress": lambda figures: f"val error {figures['mae']:.4g} (mean absolute)",
    "reconstruct": lambda figures: f"val mean squared error {figures['mse']:.5f} of {figures['noisy_mse']:.5f}",
    "cluster": lambda figures: f"val inertia {figures['inertia']:.4g}",
}
"""What is said of a model when it is done."""


def write_result(
    folder: Path, network: nn.Module, card: ModelCard, val: Examples, history: Sequence[Row], best_epoch: int
) -> None:
    """Calibrate, measure on val, and write.

    Args:
        folder: an empty folder.
        network: trained, in evaluation mode, on the CPU.
        card: what it is.
        val: the validation examples, of one store.
        history: a row for each epoch.
        best_epoch: whose weights these are.
    """
    store, what = val.stores[0], f"{card.role}: val"
    card = replace(card, parameters=parameters(network))
    found = examine(Predictor(network, card), store, what)
    if card.task == "classify":
        card = replace(card, temperature=fit_temperature(found[val.rows], val.targets))
        shares = softmax(found[val.rows], card.temperature)
        write_rows(folder / "per_class.csv", PER_CLASS, per_class(shares, val.targets, card.classes))
    figures: Figures = measure(Predictor(network, card), store, what, BINS, found)
    save_model(folder, network.state_dict(), card)
    write_coefficients(folder / "coefficients.csv", network, card)
    write_rows(folder / "history.csv", list(history[0]) if history else HISTORY, history)
    write_json(folder / "metrics.json", {"epochs": len(history), "best_epoch": best_epoch, "val": figures})
    epochs = f"{len(history)} epochs, best epoch {best_epoch} (from 0), " if history else ""
    print(f"{card.role}: {epochs}{TOLD[card.task](figures)}")
