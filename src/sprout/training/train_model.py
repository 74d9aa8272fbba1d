"""Train a classifier on labelled examples and write what is handed on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sprout.calibration import BINS
from sprout.core.records import write_json, write_rows
from sprout.core.store import Store
from sprout.metrics import PER_CLASS, classification_metrics, per_class
from sprout.models import build, parameters
from sprout.models.inference import Predictor, logits_of, softmax, use_threads
from sprout.models.model_file import ModelCard, save_model
from sprout.models.normalise import network_shape
from sprout.training.batches import Examples
from sprout.training.classify import Log
from sprout.training.fit import Fitted, fit
from sprout.training.temperature import fit_temperature


def train_model(
    folder: Path,
    train: Examples,
    val: Store,
    *,
    role: str,
    classes: list[str],
    mean: list[float],
    std: list[float],
    architecture: dict[str, Any],
    threads: int,
    checkpoints: Path,
    log: Log,
    **settings: Any,
) -> None:
    """Train, calibrate on val, and write the model folder; ranks above 0 train along and write nothing.

    Args:
        folder: an empty folder.
        train: the labelled training examples.
        val: the validation split.
        role: teacher, student or train.
        classes: names, by index.
        mean: per channel, pixels scaled to 0..1; or per feature of a table.
        std: likewise.
        architecture: the section `model`.
        threads: CPU threads; 0 leaves it to torch.
        checkpoints: a folder of this very training.
        log: takes (metrics, step).
        settings: further keyword arguments of `fit`.
    """
    use_threads(threads)
    torch.manual_seed(settings["seed"])
    network = build(network_shape(train.shape), len(classes), **architecture)
    validation = Examples.of(val)
    settings |= {"mean": mean, "std": std, "checkpoints": checkpoints, "log": log, "what": role}
    fitted = fit(network, train, validation, **settings)
    if fitted is None:
        return
    network.load_state_dict(fitted.weights)
    card = ModelCard(
        architecture=architecture,
        classes=classes,
        input_shape=list(train.shape),
        mean=mean,
        std=std,
        temperature=1.0,
        parameters=parameters(network),
        role=role,
        kept=None,
    )
    write_result(folder, fitted, network.eval(), card, validation)


def write_result(folder: Path, fitted: Fitted, network: torch.nn.Module, card: ModelCard, val: Examples) -> None:
    """Calibrate, measure on val, and write the model, its history and its figures."""
    logits = logits_of(Predictor(network, card), val.stores[0], f"{card.role}: val")[val.rows]
    card = replace(card, temperature=fit_temperature(logits, val.labels))
    probabilities = softmax(logits, card.temperature)
    metrics = classification_metrics(probabilities, val.labels, BINS)
    save_model(folder, fitted.weights, card)
    write_rows(folder / "history.csv", list(fitted.history[0]), fitted.history)
    write_rows(folder / "per_class.csv", PER_CLASS, per_class(probabilities, val.labels, card.classes))
    described = {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch, "val": metrics}
    write_json(folder / "metrics.json", described)
    epochs = f"{len(fitted.history)} epochs, best epoch {fitted.best_epoch} (from 0)"
    print(f"{card.role}: {epochs}, val error {metrics['error_rate']:.2%}")
