"""Short trainings on synthetic examples."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprout.config.augment import Transforms
from sprout.config.train import GradientDescent, check_training
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.fit import Fitted, Trainee, fit
from sprout.models.architecture import architecture_from_dict
from sprout.models.build import build_network
from sprout.models.card import ModelCard
from sprout.runtime.run_context import Log, RunContext, log_nothing

CLASSES = 3
STILL = {key.name: 0.0 for key in fields(Transforms)} | {"fill": "zeros"}
SGD: dict[str, Any] = {"name": "sgd", "weight_decay": 0.0, "decay": "weights", "args": {}}
CONSTANT: dict[str, Any] = {"name": "constant", "warmup": 0.0, "milestones": [], "gamma": None, "cycles": 1}
SETTINGS: dict[str, Any] = {
    "method": {"kind": "supervised", "policy": "transforms"},
    "task": {"kind": "classify", "loss": "cross_entropy", "label_smoothing": 0.0, "class_weights": "none"},
    "normalise": "standard",
    "start": "pretrained",
    "epochs": 6,
    "steps_per_epoch": None,
    "batch_size": 16,
    "accumulate_grad_batches": 1,
    "lr": 0.01,
    "optimizer": SGD | {"name": "adam"},
    "schedule": CONSTANT | {"name": "cosine", "warmup": 0.1},
    "gradient_clip_norm": None,
    "ema": None,
    "transforms": STILL | {"shift": 0.1},
    "weak": STILL,
    "strong": STILL,
    "monitor": "val_loss",
    "patience": None,
    "stopping_threshold": None,
    "unfreeze": None,
    "seed": 7,
    "accelerator": "cpu",
    "devices": 1,
    "nodes": 1,
    "strategy": "auto",
    "precision": "32-true",
    "channels_last": True,
    "compile": False,
    "threads": 1,
    "checkpoint_minutes": 5.0,
    "log_steps": 2,
}
"""The section `train`."""
CONSISTENCY: dict[str, Any] = {
    "kind": "consistency",
    "policy": "transforms",
    "ratio": 2.0,
    "threshold": "fixed",
    "confidence": 0.4,
    "alignment": "none",
    "soft_temperature": None,
    "weight": 1.5,
    "ramp": 0.0,
    "momentum": 0.9,
}
"""The method consistency."""
MLP: dict[str, Any] = {"name": "mlp", "hidden": [16], "activation": "relu", "batch_norm": False, "dropout": 0.2}
MEAN, STD = 0.3, 0.2


def config_of(**changes: Any) -> GradientDescent:
    """The section with changes, typed."""
    config = check_training("train", SETTINGS | changes)
    assert isinstance(config, GradientDescent)
    return config


def card_of(network: dict[str, Any] = MLP, **changes: Any) -> ModelCard:
    """The card of a classifier of the made images, before training."""
    values: dict[str, Any] = {
        "task": "classify",
        "architecture": architecture_from_dict(network),
        "classes": [str(index) for index in range(CLASSES)],
        "input_shape": [6, 6, 1],
        "mean": [MEAN],
        "std": [STD],
        "temperature": None,
        "target": None,
        "noise": None,
        "parameters": 0,
        "role": "teacher",
        "kept": None,
    }
    return ModelCard(**values | changes)


def examples(folder: Path, seed: int, n: int = 60, **columns: Any) -> Examples:
    """Images of 6×6 with a bright column that tells their class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    images = generator.integers(0, 60, (n, 6, 6, 1), np.uint8)
    images[np.arange(n), :, labels * 2] += 150
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n, **columns)
    write_store(folder, images, table)
    return Examples.of(open_store(folder), target="label")


def data_in(folder: Path, train: int = 60, val: int = 30, pool: int = 0) -> TrainingData:
    """Examples to train on and to validate on, and unlabelled ones if there are some."""
    torch.set_num_threads(1)
    unlabelled = examples(folder / "pool", 2, pool).with_target(None) if pool else None
    return TrainingData(examples(folder / "train", 0, train), examples(folder / "val", 1, val), unlabelled)


def network_of(network: dict[str, Any] = MLP, seed: int = 7) -> torch.nn.Module:
    """The network that a training of this seed starts from."""
    torch.manual_seed(seed)
    return build_network((1, 6, 6), CLASSES, architecture_from_dict(network))


def trainee(network: dict[str, Any] = MLP, seed: int = 7) -> Trainee:
    """What a training of this seed starts from."""
    return Trainee(network_of(network, seed), card_of(network))


def train(
    data: TrainingData,
    checkpoints: Path,
    architecture: dict[str, Any] = MLP,
    log: Log = log_nothing,
    **changes: Any,
) -> Fitted:
    """Train to the end, or until something ends it."""
    config = config_of(**changes)
    found = fit(trainee(architecture, config.seed), data, config, RunContext("test", checkpoints, log))
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
