"""Extra copies of the labelled training examples, transformed once and written as a store of their own."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from sprout.augment.draws import OUTSIDE, draws
from sprout.augment.transforms import augment
from sprout.config.augment import Augment, Transforms
from sprout.data.contact_sheet import write_sheet
from sprout.data.store import Array, Store, label_table, open_store
from sprout.data.store_writer import StoreWriter
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

BATCH_VALUES = 1 << 20
"""Pixel values in a batch; noise takes about 100 bytes of memory for each."""
PARENTS, COPIES = 16, 8
"""At most on the contact sheet: rows, and copies in each."""


def write_copies(train: Store, folder: Path, config: Augment) -> int:
    """Write a store of transformed copies of every labelled example, and return their number.

    Each copy has its parent's label, value, group and fold; its origin names the parent's row. The images are read and
    written in batches; only the label table is in memory as a whole.

    Args:
        train: the training examples, (H, W, C) uint8 each.
        folder: where the new store goes; without copies it is empty.
        config: copies of each example, transforms and seed.

    Raises:
        UserError: the examples are rows of a table.
    """
    if config.copies and len(train.shape) != 3:
        raise UserError(
            f"augment.copies={config.copies}: the examples are rows of a table; only images can be augmented; set it "
            "to 0"
        )
    rows = labelled(train)
    total = config.copies * len(rows)
    size = max(1, BATCH_VALUES // math.prod(train.shape))
    starts = range(0, total, size)
    with StoreWriter(folder, total, train.shape, train.dtype.name) as writer:
        for start in track(starts, "augment", len(starts)):
            copies, parents = np.divmod(np.arange(start, min(start + size, total)), len(rows))
            writer.append(transformed(train, rows[parents], copies, config.seed, config.transforms))
        writer.close(table_of_copies(train, np.tile(rows, config.copies)))
    return total


def labelled(train: Store) -> Array:
    """The rows with a class or a number to predict: (n,) int64."""
    known = pc.or_(train.labels["label"].is_valid(), train.labels["value"].is_valid())
    return np.flatnonzero(known.to_numpy())


def transformed(train: Store, rows: Array, copies: Array, seed: int, transforms: Transforms) -> Array:
    """One batch of copies: (n,) parents' rows and (n,) numbers of copies → (n, H, W, C) uint8."""
    images = torch.from_numpy(train.take(rows)).permute(0, 3, 1, 2) / 255
    ids = torch.from_numpy(copies * len(train) + rows)  # unique over all copies
    moved = augment(images, draws(seed, OUTSIDE, ids), transforms)
    return moved.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def table_of_copies(train: Store, parents: Array) -> pa.Table:
    """The label table of the copies whose parents' rows are `parents`, (n,)."""
    of_parents = {
        name: train.labels[name].combine_chunks().take(parents) for name in ("label", "value", "group", "fold")
    }
    return label_table(
        np.arange(len(parents)),
        of_parents["label"],
        source="augmented",
        group=of_parents["group"],
        fold=of_parents["fold"],
        value=of_parents["value"],
        origin=pc.binary_join_element_wise("train:", pa.array(parents).cast(pa.string()), ""),
    )


def draw_copies(train: Store, folder: Path) -> None:
    """Write a contact sheet into the folder of the copies: some originals, each followed by its first copies.

    Without copies there is no sheet.
    """
    copies, rows = open_store(folder), labelled(train)
    if not len(copies):
        return
    columns = min(COPIES, len(copies) // len(rows))
    images, captions = [], []
    for place in spread_over_classes(train.labels["label"].combine_chunks().take(rows)):
        images += [train.take(rows[[place]])[0], *copies.take(place + len(rows) * np.arange(columns))]
        captions += [f"train:{rows[place]}", *(f"copy {number + 1}" for number in range(columns))]
    write_sheet(folder / "contact_sheet.png", images, 1 + columns, captions)


def spread_over_classes(labels: pa.Array) -> Array:
    """Pick up to `PARENTS` places, sorted by class: the first of each class, then the second of each, and so on.

    Of more classes than that, evenly spaced ones are picked.
    """
    found = labels.fill_null(-1).to_numpy()
    order = np.argsort(found, kind="stable")
    classes, firsts, of_class = np.unique(found[order], return_index=True, return_inverse=True)
    turn = np.arange(len(order)) - firsts[of_class]
    shown = np.linspace(0, len(classes) - 1, min(PARENTS, len(classes))).round().astype(np.int64)
    inside = np.isin(of_class, shown)
    chosen = np.lexsort((of_class[inside], turn[inside]))[:PARENTS]
    return order[np.flatnonzero(inside)[np.sort(chosen)]]
