"""Runs a method on synthetic examples, without the training loop."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sprout.config.train import GradientDescent
from sprout.data.dataset import Examples, TrainingData
from sprout.data.loader import Batch, Batches, Shares, Step
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.module import TrainingModule
from sprout.models.card import ModelCard
from trainings import SETTINGS, STILL, config_of

SHAPE = (6, 6, 1)
WEAK, STRONG = STILL | {"shift": 0.4}, STILL | {"shift": 0.4, "rotate": 15.0, "contrast": 0.3}
SUPERVISED, CONTRASTIVE = (
    {"kind": "supervised", "policy": "transforms"},
    {"kind": "contrastive", "policy": "transforms", "temperature": 0.2, "projection_dim": 16},
)


def supervised(task: dict[str, Any] | None = None, **changes: Any) -> GradientDescent:
    """The section of a classifier that is shown examples as they are; `task` changes the task's settings."""
    policies = {"transforms": STILL, "weak": WEAK, "strong": STRONG}
    return config_of(task=SETTINGS["task"] | (task or {}), **{"method": SUPERVISED} | policies | changes)


def contrastive(**changes: Any) -> GradientDescent:
    """The section of a training of features for clusters."""
    task = {"kind": "cluster", "clusters": 3, "restarts": 1}
    policies = {"transforms": WEAK, "weak": WEAK, "strong": STRONG}
    return config_of(task=task, **{"method": CONTRASTIVE} | policies | changes)


def examples(folder: Path, n: int, **columns: Any) -> Examples:
    """Random images, each with a class; `columns` go to the label table."""
    images = np.random.default_rng(n).integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    rows = np.arange(n)
    settings = {"source": "given", "group": rows, "origin": [""] * n} | columns
    write_store(folder, images, label_table(rows, rows % 3, **settings))
    return Examples.of(open_store(folder), target="label")


def module_of(network: nn.Module, card: ModelCard, data: TrainingData, config: GradientDescent) -> TrainingModule:
    """The Lightning module of a training."""
    learner = config.method.learner(config.task, data, card)
    return TrainingModule(network, card, learner, config, steps_per_epoch=1)


def batch_of(data: Examples, ids: list[int], epoch: int = 0) -> Batch:
    """A whole step of these examples, in one batch."""
    batches = Batches(data, len(ids), targets=data.targets, seed=7)
    return batches.batch(np.array(ids), np.array(ids), epoch)


def micro_steps(data: Examples, ids: list[int], count: int) -> list[Step]:
    """A step of these examples, in so many micro-batches."""
    batches = Batches(data, len(ids), targets=data.targets, seed=7, shares=Shares(micro_batches=count))
    return [(batch,) for batch in batches.micro_batches(np.array(ids), 0)]


def linear() -> nn.Module:
    """A network without dropout, with the same weights each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
