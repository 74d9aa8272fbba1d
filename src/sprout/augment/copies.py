"""Extra copies of the labelled training examples, transformed once and written as a store of their own."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from sprout.augment.draws import draws
from sprout.augment.transforms import augment
from sprout.data.contact_sheet import write_sheet
from sprout.data.store import Array, Store, StoreWriter, label_table, open_store
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

BATCH_VALUES = 1 << 20  # pixel values worked on at once; noise holds some 100 bytes for each
PARENTS, COPIES = 16, 8  # shown on the contact sheet at most


def write_copies(train: Store, folder: Path, *, copies: int, seed: int, transforms: dict[str, Any]) -> int:
    """Write `copies` transformed copies of every labelled example and return how many there are.

    Each copy carries its parent's label, value and group, and names its parent's row as its origin. No
    copies make an empty store. The images are never in memory at once, only their label table is.

    Args:
        train: the training examples, (H, W, C) uint8 each.
        folder: where the new store goes.
        copies: copies of each example.
        seed: seed of the draws.
        transforms: keyword arguments of `augment`.

    Raises:
        UserError: copies of the rows of a table.
    """
    if copies and len(train.shape) != 3:
        raise UserError(
            f"augment.copies={copies}: the examples are rows of a table; only images can be augmented; set it to 0"
        )
    rows = labelled(train)
    total = copies * len(rows)
    size = max(1, BATCH_VALUES // math.prod(train.shape))
    starts = range(0, total, size)
    with StoreWriter(folder, total, train.shape, train.shards[0].dtype.name) as writer:
        for start in track(starts, "augment", len(starts)):
            numbers, places = np.divmod(np.arange(start, min(start + size, total)), len(rows))
            writer.append(transformed(train, rows[places], numbers, seed, transforms))
        writer.close(table_of_copies(train, np.tile(rows, copies)))
    return total


def labelled(train: Store) -> Array:
    """The rows with a class or a number to predict: (n,) int64."""
    known = pc.or_(train.labels["label"].is_valid(), train.labels["value"].is_valid())
    return np.flatnonzero(known.to_numpy())


def transformed(train: Store, rows: Array, numbers: Array, seed: int, transforms: dict[str, Any]) -> Array:
    """One batch of copies: (n,) rows and copy numbers → (n, H, W, C) uint8."""
    images = torch.from_numpy(train.take(rows)).permute(0, 3, 1, 2) / 255
    # Copies of one example differ by their id: ids of different copies never meet.
    ids = torch.from_numpy(numbers * len(train) + rows)
    # No epoch of a training with the same seed is −1: its draws are others.
    moved = augment(images, draws(seed, -1, ids), **transforms)
    return moved.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def table_of_copies(train: Store, parents: Array) -> pa.Table:
    """The label table of the copies: (n,) the row of each one's parent."""
    of_parents = {name: train.labels[name].combine_chunks().take(parents) for name in ("label", "value", "group")}
    return label_table(
        np.arange(len(parents)),
        of_parents["label"],
        source="augmented",
        group=of_parents["group"],
        value=of_parents["value"],
        origin=pc.binary_join_element_wise("train:", pa.array(parents).cast(pa.string()), ""),
    )


def draw_copies(train: Store, folder: Path) -> None:
    """Put a contact sheet beside the copies of this folder: originals, each followed by its first copies.

    Where there are no copies there is no sheet.
    """
    copies, rows = open_store(folder), labelled(train)
    if not len(copies):
        return
    places = spread(train.labels["label"].combine_chunks().take(rows))
    each = min(COPIES, len(copies) // len(rows))
    images, captions = [], []
    for place in places:
        images += [train.take(rows[[place]])[0], *copies.take(place + len(rows) * np.arange(each))]
        captions += [f"train:{rows[place]}", *(f"copy {number + 1}" for number in range(each))]
    write_sheet(folder / "contact_sheet.png", images, 1 + each, captions)


def spread(labels: pa.Array) -> Array:
    """Up to `PARENTS` places, in order of their classes: the first of each class, then the second ones, and so on.

    Of more classes than that, some are picked evenly.
    """
    found = labels.fill_null(-1).to_numpy()
    order = np.argsort(found, kind="stable")
    classes, firsts, of_class = np.unique(found[order], return_index=True, return_inverse=True)
    turn = np.arange(len(order)) - firsts[of_class]
    shown = np.linspace(0, len(classes) - 1, min(PARENTS, len(classes))).round().astype(np.int64)
    inside = np.isin(of_class, shown)
    chosen = np.lexsort((of_class[inside], turn[inside]))[:PARENTS]
    return order[np.flatnonzero(inside)[np.sort(chosen)]]
