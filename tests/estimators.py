"""Data and networks for tests of the models that scikit-learn fits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from torch import nn

from networks import build
from sprout.config.model import Logistic
from sprout.data.dataset import Examples
from sprout.data.store import Array, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.models.architecture import architecture_from_dict
from sprout.models.card import ModelCard

CARD = ModelCard(
    task="classify",
    architecture=Logistic("logistic", c=1.0),
    classes=[str(digit) for digit in range(10)],
    input_shape=[8, 8, 1],
    mean=[0.0],
    std=[1.0],
    temperature=None,
    target=None,
    noise=None,
    parameters=0,
    role="teacher",
    kept=None,
)
CNN: dict[str, Any] = {
    "name": "cnn",
    "channels": (4, 8),
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 2,
    "pooling": "max",
    "batch_norm": True,
    "conv_dropout": 0.0,
    "hidden": (16,),
    "activation": "relu",
    "dropout": 0.5,
}
AUTOENCODER: dict[str, Any] = {"name": "autoencoder", "channels": (4, 8), "kernel": 3, "code": 6, "activation": "relu"}


def examples_in(folder: Path, inputs: Array, labels: Array, weight: Array | None = None) -> Examples:
    """Examples with a class each, by way of a store."""
    n = len(inputs)
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n, weight=weight)
    write_store(folder / f"store-{len(list(folder.iterdir()))}", inputs, table)
    return Examples.of(open_store(folder / f"store-{len(list(folder.iterdir())) - 1}"), target="label")


def digits(folder: Path) -> tuple[Examples, ModelCard]:
    """Images of digits, and the card of a model on them."""
    rows, labels = load_digits(return_X_y=True)
    return examples_in(folder, (rows.reshape(-1, 8, 8, 1) * 15).astype(np.uint8), labels), CARD


def table_of(
    folder: Path, rows: Array | None = None, load: Callable[..., Any] = load_iris
) -> tuple[Examples, ModelCard]:
    """Rows of a table, and the card of a model on them, which scales them."""
    inputs, labels = load(return_X_y=True) if rows is None else (rows, np.zeros(len(rows), int))
    inputs = inputs.astype(np.float32)
    classes = [str(label) for label in np.unique(labels)]
    scales = {"mean": inputs.mean(axis=0).tolist(), "std": (inputs.std(axis=0) + 1e-6).tolist()}
    return examples_in(folder, inputs, labels), replace(CARD, classes=classes, input_shape=[inputs.shape[1]], **scales)


def pretrained(task: str, architecture: dict[str, Any] = CNN) -> tuple[nn.Module, ModelCard]:
    """A network on images of digits, with its card."""
    torch.manual_seed(0)
    network = build((1, 8, 8), 10, **architecture)
    network(torch.rand(16, 1, 8, 8))  # batch norm's running statistics are part of the state
    return network, replace(CARD, task=task, architecture=architecture_from_dict(architecture))


def seeds(seed: int, restarts: int) -> list[int]:
    """The seeds of the runs of k-means."""
    return [int(each) for each in np.random.SeedSequence(seed).generate_state(restarts)]


def one_run(rows: Array, clusters: int, seed: int) -> Any:
    """One run of scikit-learn's k-means."""
    return KMeans(clusters, n_init=1, random_state=seed).fit(rows)


def runs(rows: Array, clusters: int, restarts: int, seed: int = 0) -> list[Any]:
    """Several runs of it."""
    return [one_run(rows, clusters, each) for each in seeds(seed, restarts)]
