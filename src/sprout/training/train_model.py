"""Train a network on examples and write what is handed on."""

from pathlib import Path
from typing import Any

import torch

from sprout.core.store import Array
from sprout.models.inference import use_threads
from sprout.models.model_file import ModelCard
from sprout.training.batches import Examples
from sprout.training.blank import blank_network
from sprout.training.estimate import grouped
from sprout.training.fit import fit
from sprout.training.plans import Log
from sprout.training.result import write_result
from sprout.training.tasks import make_task


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
    network = blank_network(card, task, start)
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
    network.eval()
    if card.task == "cluster":
        grouping = {"clusters": task["clusters"], "restarts": task["restarts"], "unit_length": True}
        network, card = grouped(train, network, card, seed=settings["seed"], threads=threads, **grouping)
    write_result(folder, network, card, val, fitted.history, fitted.best_epoch)


def network_targets(examples: Examples, card: ModelCard) -> Array:
    """What the network shall give, in its own scale: (N,) int64 or float32."""
    if card.target is None:
        return examples.targets
    scaled: Array = ((examples.targets - card.target["mean"]) / card.target["std"]).astype("float32")
    return scaled
