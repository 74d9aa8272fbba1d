"""Train a network on examples and write what is handed on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sprout.calibration import BINS
from sprout.core.records import write_json, write_rows
from sprout.core.store import Array
from sprout.metrics import PER_CLASS, classification_metrics, per_class
from sprout.models import build, parameters
from sprout.models.inference import Predictor, logits_of, softmax, use_threads
from sprout.models.model_file import ModelCard, save_model
from sprout.models.normalise import network_shape
from sprout.models.transfer import load_pretrained
from sprout.training.batches import Examples
from sprout.training.fit import Fitted, fit
from sprout.training.plans import Log
from sprout.training.tasks import make_task
from sprout.training.temperature import fit_temperature


def train_model(
    folder: Path,
    train: Examples,
    val: Examples,
    card: ModelCard,
    *,
    task: dict[str, Any],
    start: dict[str, Any] | None,
    threads: int,
    checkpoints: Path,
    log: Log,
    **settings: Any,
) -> None:
    """Train, calibrate on val, and write the model folder; ranks above 0 train along and write nothing.

    Args:
        folder: an empty folder.
        train: the training examples, with what the task learns of them.
        val: the validation examples, likewise.
        card: the model, before it has learned anything.
        task: the subsection `task`.
        start: the weights that it starts from; None for chance.
        threads: CPU threads; 0 leaves it to torch.
        checkpoints: a folder of this very training.
        log: takes (metrics, step).
        settings: further keyword arguments of `fit`.
    """
    use_threads(threads)
    torch.manual_seed(settings["seed"])
    network = build(network_shape(train.shape), card.outputs, **card.architecture)
    if start is not None:
        load_pretrained(network, Path(start["folder"]))
    scale = card.target or {"mean": 0.0, "std": 1.0}
    fitted = fit(
        network,
        train,
        val,
        task=make_task(task, train.targets, len(card.classes), scale["std"]),
        targets=(network_targets(train, card), network_targets(val, card)),
        mean=card.mean,
        std=card.std,
        checkpoints=checkpoints,
        log=log,
        what=card.role,
        **settings,
    )
    if fitted is None:
        return
    network = network.cpu().float()  # whatever it was trained in
    network.load_state_dict(fitted.weights)
    write_result(folder, network.eval(), fitted, replace(card, parameters=parameters(network)), val)


def network_targets(examples: Examples, card: ModelCard) -> Array:
    """What the network shall give, in its own scale: (N,) int64 or float32."""
    if card.target is None:
        return examples.targets
    scaled: Array = ((examples.targets - card.target["mean"]) / card.target["std"]).astype("float32")
    return scaled


def write_result(folder: Path, network: torch.nn.Module, fitted: Fitted, card: ModelCard, val: Examples) -> None:
    """Calibrate, measure on val, and write the model, its history and its figures."""
    logits = logits_of(Predictor(network, card), val.stores[0], f"{card.role}: val")[val.rows]
    temperature = fit_temperature(logits, val.targets)
    card = replace(card, temperature=temperature)
    probabilities = softmax(logits, temperature)
    metrics = classification_metrics(probabilities, val.targets, BINS)
    save_model(folder, network.state_dict(), card)
    write_rows(folder / "history.csv", list(fitted.history[0]), fitted.history)
    write_rows(folder / "per_class.csv", PER_CLASS, per_class(probabilities, val.targets, card.classes))
    described = {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch, "val": metrics}
    write_json(folder / "metrics.json", described)
    epochs = f"{len(fitted.history)} epochs, best epoch {fitted.best_epoch} (from 0)"
    print(f"{card.role}: {epochs}, val error {metrics['error_rate']:.2%}")
