"""Initial settings for new data."""

import numpy as np

from sprout.data.importing.suggest_few_labels import suggest_for_few_labels, suggest_for_few_rows
from sprout.data.importing.suggested import Amounts, Section, SuggestedSettings, Value, fewest_in_training, measured
from sprout.data.importing.user_data import Scan
from sprout.data.listing import SPLITS, Array, Listing
from sprout.data.prepare.duplicates import TO_DRAW, source_splits
from sprout.data.prepare.targets import Targets, find_targets
from sprout.methods import ScikitLearn
from sprout.tasks.regress import Regress

HELD_OUT = 0.15
"""Fraction of the data for the test split, and of the rest for the validation split."""
FEW_LABELS = 500
"""Labels below which none are held out for val, but cross-validation takes its place: a fifth of them would be fewer
than 100 examples, by which a student that is 2 percentage points worse is kept in 3 of 10 cases
(docs/few_labels.md)."""
FOLDS = 5
MAX_UNCHANGED = 96
"""Pixels a side up to which images of one size are not resized."""
LONGER_SIDE = 64
"""Pixels of the longer side after resizing."""
PIXELS = 250_000_000
"""Pixels that the network processes in a training: minutes on two cores."""
ROWS = 600_000
"""The same for rows of a table."""
SMALL = 2_000
"""Training examples below which batches are smaller."""

LEARNS = {
    "class": "learns their classes",
    "number": "learns their numbers",
    None: "learns to remove noise from them, because they have no labels",
}
TASK_FILES = {"class": {}, "number": {"/train/task": Regress.name}, None: {"/train/task": "denoise"}}
"""Kind of target → config files of a network's task."""
CLUSTER_FILES = {"/model": "kmeans", "/train": ScikitLearn.name}
"""Config files for rows of a table without a target."""


def suggest_settings(listing: Listing, scan: Scan) -> SuggestedSettings:
    """Choose settings by the number, size and colour of the examples.

    Args:
        listing: the examples; at least one is usable.
        scan: what is known of them.
    """
    targets = find_targets(listing, scan.usable)
    splits = suggest_splits(listing, scan, targets)
    if scan.shapes.shape[1] == 3:
        return suggest_for_images(scan, targets, splits, count_amounts(listing, scan, splits))
    if targets.kind is None:
        return SuggestedSettings("clusters them, because they have no labels", CLUSTER_FILES, splits)
    amounts = count_amounts(listing, scan, splits)
    train = suggest_schedule(amounts.labelled, splits, ROWS) | {"lr": 0.001}
    if targets.kind == "class" and amounts.unlabelled:
        return suggest_for_few_rows(splits, train, amounts)
    files = files_for(targets, "mlp") | ({"/pseudo_label": "none"} if splits["folds"] else {})
    return SuggestedSettings(LEARNS[targets.kind] + measured(splits, amounts.labelled), files, splits, {}, train)


def suggest_for_images(scan: Scan, targets: Targets, splits: Section, amounts: Amounts) -> SuggestedSettings:
    """Choose settings for images."""
    height, width, image_format = suggest_format(scan)
    train = suggest_schedule(amounts.labelled, splits, PIXELS / (height * width)) | {"lr": 0.003}
    levels: Section = {} if scan.levels is None else {"levels": list[int | float](scan.levels)}
    said, prepare = LEARNS[targets.kind] + measured(splits, amounts.labelled), image_format | levels | splits
    no_pool = {"/pseudo_label": "none"} if splits["folds"] else {}
    if min(height, width) < 4:
        return SuggestedSettings(said, files_for(targets, "mlp") | no_pool, prepare, {}, train)
    # Photographs may be mirrored; writing may not, and is usually grey.
    flip = 0.5 if image_format["channels"] == 3 else 0.0
    if targets.kind == "class" and amounts.unlabelled:
        return suggest_for_few_labels(height, width, flip, prepare, amounts)
    files = files_for(targets, "cnn" if targets.kind else "autoencoder") | {"/train/transforms": "shifts"} | no_pool
    model: Section = {"channels": [32, 64, 128]} if max(height, width) >= 48 else {}
    train["transforms"] = {"flip": flip}
    return SuggestedSettings(said, files, prepare, model, train)


def files_for(targets: Targets, model: str) -> dict[str, str]:
    """Return the config files for a network."""
    return {"/model": model, "/train/schedule": "one_cycle", **TASK_FILES[targets.kind]}


def suggest_format(scan: Scan) -> tuple[int, int, Section]:
    """Return height, width, and the settings for size, resizing and channels."""
    shapes = scan.shapes[scan.usable]
    sizes, counts = np.unique(shapes[:, :2], axis=0, return_counts=True)
    height, width = (int(side) for side in sizes[counts.argmax()])
    grey = bool(scan.grey[scan.usable].all())
    # Images of other channels than 1 and 3 are not converted.
    channels = 1 if grey else 3 if set(shapes[:, 2].tolist()) <= {1, 3} else None
    resize = "none" if len(sizes) == 1 and max(height, width) <= MAX_UNCHANGED else "fit"
    if resize == "fit":
        height, width = fitting_size(shapes[:, :2])
    return height, width, {"size": [height, width], "resize": resize, "channels": channels}


def fitting_size(sizes: Array) -> tuple[int, int]:
    """Return a height and width for images of (n, 2) sizes: with their usual proportions, or square if they vary."""
    ratios = sizes[:, 0] / sizes[:, 1]
    usual = float(np.median(ratios))
    similar = np.mean(np.abs(ratios / usual - 1) < 0.05) > 0.9
    longer = min(LONGER_SIDE, int(np.median(sizes.max(axis=1))))
    # Multiples of eight can be halved three times.
    shorter = min(longer, max(8, 8 * round(longer * min(usual, 1 / usual) / 8))) if similar else longer
    return (longer, shorter) if usual >= 1 else (shorter, longer)


def suggest_splits(listing: Listing, scan: Scan, targets: Targets) -> Section:
    """Return the data's own splits where it has them, and amounts to draw where not; or folds of few labels."""
    source = source_splits(listing.split, len(listing))[scan.usable]
    own = {name for code, name in enumerate(SPLITS) if (source == code).any()}
    count = int(np.isin(source, [TO_DRAW, SPLITS.index("train")]).sum())
    classes = max(1, len(targets.classes))
    if targets.kind == "class" and count < FEW_LABELS and "val" not in own:
        return {"test": None, "val": None, "folds": min(FOLDS, max(2, count // 2)), "labels": None}
    test = None if "test" in own else held_out(count, classes)
    rest = count - drawn(test, count)
    return {"test": test, "val": None if "val" in own else held_out(rest, classes), "folds": None, "labels": None}


def count_amounts(listing: Listing, scan: Scan, splits: Section) -> Amounts:
    """Count the examples to train on, after these splits have been drawn."""
    source = source_splits(listing.split, len(listing))[scan.usable]
    labelled = int(np.isin(source, [TO_DRAW, SPLITS.index("train")]).sum())
    for name in ("test", "val"):
        labelled -= drawn(splits[name], labelled)
    return Amounts(labelled, int((source == SPLITS.index("unlabelled")).sum()))


def drawn(amount: Value, count: int) -> int:
    """Return how many of `count` examples an amount of the section `prepare` is; None draws none."""
    return round(amount * count) if isinstance(amount, float) else amount if isinstance(amount, int) else 0


def held_out(count: int, classes: int) -> int | float:
    """Return the usual fraction, or one example of each class where that is more."""
    return HELD_OUT if round(HELD_OUT * count) >= classes else classes


def suggest_schedule(count: int, splits: Section, seen: float) -> Section:
    """Return epochs and batch size for `count` training examples, so that the network sees about `seen` in all."""
    batch = max(1, min(32, fewest_in_training(count, splits) // 4)) if count < SMALL else 100
    return {"epochs": min(60, max(3, round(seen / count))), "batch_size": batch}
