"""Train a network on examples and write what is handed on."""

from pathlib import Path
from typing import Any

import torch

from sprout.data.dataset import Examples
from sprout.data.store import Array
from sprout.engine.estimate import grouped
from sprout.engine.fit import fit
from sprout.engine.initial import initial_network
from sprout.engine.plan import Log
from sprout.engine.result import write_result
from sprout.engine.tasks import make_task
from sprout.models.card import ModelCard
from sprout.models.predictor import use_threads


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
    network = initial_network(card, task, start)
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
