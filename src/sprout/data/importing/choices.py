"""Sensible settings for data that nobody has trained on yet."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sprout.data.importing.look import Look
from sprout.data.prepare.classes import Targets, targets
from sprout.data.prepare.shares import own_parts
from sprout.data.prepare.splits import DRAWN
from sprout.data.sources.listing import SPLITS, Array, Listing

SHARE = 0.15
"""Of the data for the test split, and of what that leaves for the validation split."""
LARGEST = 96
"""Images of one size are taken as they are up to so many pixels a side."""
SIDE = 64
"""Others are brought to so many on their longer side."""
PIXELS = 250_000_000
"""The network sees about so many pixels in a training: minutes on two cores."""
ROWS = 600_000
"""Or so many rows of a table."""
SMALL = 2_000
"""Fewer training examples are taken in smaller batches."""

LEARNS = {
    "class": "learns their classes",
    "number": "learns their numbers",
    None: "learns to clean them of noise, as they have no labels",
}
TASKS = {"class": {}, "number": {"/train/task": "regress"}, None: {"/train/task": "denoise"}}
"""What a network does, by the kind of target."""
CLUSTERS = {"/model": "kmeans", "/train": "scikit_learn", "/retrain": "scikit_learn"}
"""What is done with rows of which nothing is known."""


@dataclass(frozen=True)
class Choices:
    """What goes into an experiment."""

    learns: str
    """What the model does with the examples."""
    files: dict[str, str] = field(default_factory=dict)
    """Config group → its file, where it is not the default one."""
    prepare: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


def choose(listing: Listing, seen: Look) -> Choices:
    """Choose settings by the number, size and colour of the examples.

    Args:
        listing: what there is; at least one example is sound.
        seen: what is known of it.
    """
    learned = targets(listing, seen.sound)
    images = seen.shapes.shape[1] == 3
    prepare = (frame(seen) if images else {}) | parts(listing, seen, learned)
    many = PIXELS / math.prod(prepare["size"]) if images else ROWS
    train = training(len(seen.sound), many) | {"lr": 0.003 if images else 0.001}
    if learned.kind is None and not images:
        return Choices("sorts them into clusters, as they have no labels", CLUSTERS, prepare, {}, {})
    files = {"/model": "mlp", "/train/schedule": "one_cycle", **TASKS[learned.kind]}
    if not images or min(prepare["size"]) < 4:
        return Choices(LEARNS[learned.kind], files, prepare, {}, train)
    files |= {"/model": "cnn" if learned.kind else "autoencoder", "/train/transforms": "shifts"}
    deeper = {"channels": [32, 64, 128]} if max(prepare["size"]) >= 48 else {}
    # A photograph may be mirrored; writing may not, and it is grey as a rule.
    train["transforms"] = {"flip": 0.5 if prepare["channels"] == 3 else 0.0}
    return Choices(LEARNS[learned.kind], files, prepare, deeper, train)


def frame(seen: Look) -> dict[str, Any]:
    """Size, colour, and what is done with images of another size."""
    shapes = seen.shapes[seen.sound]
    sizes, counts = np.unique(shapes[:, :2], axis=0, return_counts=True)
    height, width = (int(side) for side in sizes[counts.argmax()])
    grey = bool(seen.grey[seen.sound].all())
    # What is neither grey nor colour stays as it is.
    channels = 1 if grey else 3 if set(shapes[:, 2].tolist()) <= {1, 3} else None
    if len(sizes) == 1 and max(height, width) <= LARGEST:
        return {"size": [height, width], "resize": "none", "channels": channels}
    return {"size": fitting(shapes[:, :2]), "resize": "fit", "channels": channels}


def fitting(sizes: Array) -> list[int]:
    """Height and width for images of several sizes: their usual proportions, or a square: (n, 2) → [h, w]."""
    ratios = sizes[:, 0] / sizes[:, 1]
    usual = float(np.median(ratios))
    alike = np.mean(np.abs(ratios / usual - 1) < 0.05) > 0.9
    longer = min(SIDE, int(np.median(sizes.max(axis=1))))
    # Eights halve well.
    shorter = min(longer, max(8, 8 * round(longer * min(usual, 1 / usual) / 8))) if alike else longer
    return [longer, shorter] if usual >= 1 else [shorter, longer]


def parts(listing: Listing, seen: Look, learned: Targets) -> dict[str, Any]:
    """The splits: the data's own where it has them, else drawn ones."""
    given = own_parts(listing.split, len(listing))[seen.sound]
    own = {name for code, name in enumerate(SPLITS) if (given == code).any()}
    drawn = np.isin(given, [DRAWN, SPLITS.index("train")])
    count, classes = int(drawn.sum()), max(1, len(learned.classes))
    test = None if "test" in own else amount(count, classes)
    left = count - (0 if test is None else test if isinstance(test, int) else round(test * count))
    return {"test": test, "val": None if "val" in own else amount(left, classes), "labels": None}


def amount(count: int, classes: int) -> int | float:
    """The usual share, or one example of each class where that is more."""
    return SHARE if round(SHARE * count) >= classes else classes


def training(count: int, seen: float) -> dict[str, Any]:
    """Epochs and batches for so many examples, of which the network sees about `seen`, each of them several times."""
    batch = max(1, min(32, count // 4)) if count < SMALL else 100
    return {"epochs": min(60, max(3, round(seen / count))), "batch_size": batch}
