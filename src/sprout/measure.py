"""The figures of a model on a store, by its task."""

import numpy as np
import torch

from sprout.augment.draws import draws
from sprout.augment.noise import OUTSIDE, noisy
from sprout.data.store import Array, Store
from sprout.metrics import (
    Figures,
    classification_metrics,
    clustering_metrics,
    reconstruction_metrics,
    regression_metrics,
)
from sprout.models.predictor import Predictor, batches, outputs_of, pixels, softmax, values


def measure(predictor: Predictor, store: Store, what: str, bins: int, examined: Array | None = None) -> Figures:
    """The figures; examples whose label (of a classifier) or value (of a regression) is not known do not count.

    Args:
        predictor: the model.
        store: labelled, where the task needs labels.
        what: said beside the progress.
        bins: of the calibration error.
        examined: what `examine` has already found here.
    """
    found = examine(predictor, store, what) if examined is None else examined
    card, rows = predictor.card, measured(store, predictor.card.task)
    match card.task:
        case "classify":
            return {**classification_metrics(softmax(found[rows], card.temperature), labels(store)[rows], bins)}
        case "regress":
            return regression_metrics(values(found[rows], card), store.labels["value"].to_numpy()[rows])
        case "reconstruct":
            return reconstruction_metrics(*found.T)
        case _:
            return clustering_metrics(found.argmax(axis=1), -found.max(axis=1), labels(store))


def measured(store: Store, task: str) -> Array:
    """The rows that count: (n,) int64."""
    if task == "classify":
        return np.flatnonzero(labels(store) >= 0)
    if task == "regress":
        return np.flatnonzero(store.labels["value"].is_valid().to_numpy())
    return np.arange(len(store))


def labels(store: Store) -> Array:
    """The class of each example, −1 where it is not known: (N,) int64."""
    known: Array = store.labels["label"].fill_null(-1).to_numpy()
    return known


def examine(predictor: Predictor, store: Store, what: str) -> Array:
    """What there is to know of each example, in the store's order.

    Returns:
        (N, …) float32 outputs of the network; of a reconstruction (N, 2) mean squared errors, see `errors`.
    """
    if predictor.card.task != "reconstruct":
        return outputs_of(predictor, store, what)
    none = np.zeros((0, 2), np.float32)
    found: Array = np.concatenate([none, *(errors(predictor, store, rows) for rows in batches(predictor, store, what))])
    return found


def errors(predictor: Predictor, store: Store, rows: Array) -> Array:
    """Mean squared errors, pixels in 0..1, of the noisy images and of the restored ones: (n,) rows → (n, 2)."""
    clean, given, restored = restore(predictor, store, rows)
    apart = [((images - clean) ** 2).reshape(len(rows), -1).mean(axis=1) for images in (given, restored)]
    return np.stack(apart, axis=1)


def restore(predictor: Predictor, store: Store, rows: Array) -> tuple[Array, Array, Array]:
    """Images, their noisy copies and what the model makes of these: three (n, C, H, W) float32, pixels in 0..1.

    The noise of an image is a matter of its row alone: whoever measures on a store meets the same.
    """
    clean = predictor.scaled(store.take(rows))
    std = predictor.card.noise
    given = noisy(clean, draws(0, OUTSIDE, torch.from_numpy(rows)), std) if std else clean
    return clean.numpy(), given.numpy(), pixels(predictor.network_outputs(given))
