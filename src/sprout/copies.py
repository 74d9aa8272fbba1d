"""Extra copies of the labelled training examples, transformed once and written as a store of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprout.augment import augment, draws
from sprout.core.progress import track
from sprout.core.store import Array, Store, label_table, write_store

BATCH = 1000


def write_copies(train: Store, folder: Path, *, copies: int, seed: int, transforms: dict[str, Any]) -> int:
    """Write `copies` transformed copies of every example and return how many there are.

    Each copy carries its parent's label and group, and names its parent's row as its origin. No copies
    make an empty store.

    Args:
        train: the labelled training examples, (H, W, C) uint8 each.
        folder: where the new store goes.
        copies: copies of each example.
        seed: seed of the draws.
        transforms: keyword arguments of `augment`.
    """
    parents = np.tile(np.arange(len(train)), copies)
    numbers = np.repeat(np.arange(copies), len(train))
    images = np.empty((len(parents), *train.shape), np.uint8)
    starts = range(0, len(parents), BATCH)
    for start in track(starts, "augment", len(starts)):
        some = slice(start, start + BATCH)
        images[some] = transformed(train, parents[some], numbers[some], seed, transforms)
    labels = train.labels["label"].to_numpy()[parents]
    table = label_table(
        np.arange(len(parents)),
        labels,
        source="augmented",
        group=train.labels["group"].to_numpy()[parents],
        origin=[f"train:{row}" for row in parents],
    )
    write_store(folder, images, table)
    return len(parents)


def transformed(train: Store, rows: Array, numbers: Array, seed: int, transforms: dict[str, Any]) -> Array:
    """One batch of copies: (n,) rows and copy numbers → (n, H, W, C) uint8."""
    images = torch.from_numpy(train.take(rows)).permute(0, 3, 1, 2) / 255
    # Copies of one example differ by their id: ids of different copies never meet.
    ids = torch.from_numpy(numbers * len(train) + rows)
    # No epoch of a training with the same seed is −1: its draws are others.
    moved = augment(images, draws(seed, -1, ids), **transforms)
    return moved.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
