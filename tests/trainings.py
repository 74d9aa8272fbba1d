"""Short trainings on made examples."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprout.config.augment import Transforms
from sprout.data.dataset import Examples
from sprout.data.store import label_table, open_store, write_store
from sprout.engine.fit import Fitted, fit
from sprout.engine.tasks import Classify, Task
from sprout.models import build

CLASSES = 3
STILL = {key.name: 0.0 for key in fields(Transforms)} | {"fill": "zeros"}
SGD: dict[str, Any] = {"name": "sgd", "weight_decay": 0.0, "decay": "weights", "args": {}}
SETTINGS: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 16,
    "accumulate": 1,
    "lr": 0.01,
    "optimizer": SGD | {"name": "adam"},
    "schedule": {"name": "cosine", "warmup": 0.1, "drops": (), "drop": None},
    "clip": None,
    "ema": None,
    "transforms": STILL | {"shift": 0.1},
    "monitor": "val_loss",
    "patience": None,
    "stop_at": None,
    "unfreeze": None,
    "seed": 7,
    "accelerator": "cpu",
    "devices": 1,
    "nodes": 1,
    "strategy": "auto",
    "precision": "32-true",
    "channels_last": True,
    "compile": False,
    "checkpoint_minutes": 5.0,
    "log_steps": 2,
}
"""Keyword arguments of `fit`, as the section `train` gives them."""
MLP: dict[str, Any] = {"name": "mlp", "hidden": (16,), "activation": "relu", "batch_norm": False, "dropout": 0.2}
MEAN, STD = 0.3, 0.2
PLAIN = Classify("cross_entropy", 0.0, None)
Data = tuple[Examples, Examples]


def examples(folder: Path, seed: int, n: int = 60) -> Examples:
    """Images of 6×6 with a bright column that tells their class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    images = generator.integers(0, 60, (n, 6, 6, 1), np.uint8)
    images[np.arange(n), :, labels * 2] += 150
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, images, table)
    return Examples.of(open_store(folder), target="label")


def data_in(folder: Path, train: int = 60, val: int = 30) -> Data:
    """Examples to train on and to validate on."""
    torch.set_num_threads(1)
    return examples(folder / "train", 0, train), examples(folder / "val", 1, val)


def arguments(data: Data, checkpoints: Path, task: Task = PLAIN, log: Any = None, **changes: Any) -> dict[str, Any]:
    """What `fit` and `make_loop` take beside the network and the examples."""
    shared = {
        "task": task,
        "targets": (data[0].targets, data[1].targets),
        "mean": [MEAN],
        "std": [STD],
        "checkpoints": checkpoints,
        "log": log or (lambda metrics, step: None),
        "what": "test",
    }
    return shared | SETTINGS | changes


def network_of(architecture: dict[str, Any] = MLP, seed: int = 7) -> torch.nn.Module:
    """The network that a training of this seed starts from."""
    torch.manual_seed(seed)
    return build((1, 6, 6), CLASSES, **architecture)


def train(data: Data, checkpoints: Path, architecture: dict[str, Any] = MLP, **changes: Any) -> Fitted:
    """Train to the end, or until something ends it."""
    settings = arguments(data, checkpoints, **changes)
    found = fit(network_of(architecture, settings["seed"]), *data, **settings)
    assert found is not None
    return found


def same(one: Fitted, other: Fitted) -> bool:
    """To the bit."""
    weights = one.weights.keys() == other.weights.keys() and all(
        torch.equal(one.weights[name], other.weights[name]) for name in one.weights
    )
    return weights and one.history == other.history and one.best_epoch == other.best_epoch


def inputs_of(data: Examples) -> torch.Tensor:
    """All examples as the network meets them: (N, 1, 6, 6)."""
    images = torch.from_numpy(data.take(np.arange(len(data)))).permute(0, 3, 1, 2) / 255
    return (images - MEAN) / STD
