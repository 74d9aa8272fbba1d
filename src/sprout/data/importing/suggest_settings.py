"""Initial settings for new data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sprout.data.importing.user_data import Scan
from sprout.data.listing import SPLITS, Array, Listing
from sprout.data.prepare.duplicates import TO_DRAW, source_splits
from sprout.data.prepare.targets import Targets, find_targets
from sprout.evaluate.significance import cross_validated_interval
from sprout.methods import Consistency, ScikitLearn
from sprout.tasks.regress import Regress

HELD_OUT = 0.15
"""Fraction of the data for the test split, and of the rest for the validation split."""
FEW_LABELS = 500
"""Labels below which none are held out for val, but cross-validation takes its place: a fifth of them would be fewer
than 100 examples, by which a student that is 2 percentage points worse is kept in 3 of 10 cases
(docs/few_labels.md)."""
FOLDS = 5
SUPPOSED = 0.1
"""The error whose interval is given beforehand."""
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
STUDENT_PIXELS = 1_400_000_000
"""Pixels, or patches of them, that the network processes in consistency training: a quarter of an hour on two cores."""
HALVED_THRICE = 16
"""Pixels a side from which images are halved three times, not twice."""
PATCHED = 48
"""Pixels a side from which patches of 2 × 2 pixels become one pixel of the network, so that steps are cheap."""
STUDENT_STEPS = (500, 4_000)
"""The fewest and the most steps of consistency training."""
VIEWS = 9
"""Views of images in its step for each labelled one, which comes with two views of each of four unlabelled ones."""

ROW_STEPS = 1_000
"""Steps of consistency training on rows of a table."""

LEARNS = {
    "class": "learns their classes",
    "number": "learns their numbers",
    None: "learns to remove noise from them, because they have no labels",
}
TASK_FILES = {"class": {}, "number": {"/train/task": Regress.name}, None: {"/train/task": "denoise"}}
"""Kind of target → config files of a network's task."""
CLUSTER_FILES = {"/model": "kmeans", "/train": ScikitLearn.name}
"""Config files for rows of a table without a target."""
FEW_LABELS_FILES = {
    "/model": "resnet",
    "/train/optimizer": "sgd",
    "/train/schedule": "cosine",
    "/train/transforms": "medium",
    "/pseudo_label": "none",
    "/retrain": Consistency.name,
}
"""Config files for images with classes and unlabelled ones; see the experiment fashion_mnist_few."""
FEW_ROWS_FILES = {
    "/model": "mlp",
    "/train/schedule": "one_cycle",
    "/train/transforms@train.weak": "none",
    "/train/transforms@train.strong": "rows",
    "/pseudo_label": "none",
    "/retrain": Consistency.name,
}
"""The same for rows of a table."""

Value = int | float | str | None | list[int] | list[str] | list[int | float] | Mapping[str, float | str]
Section = dict[str, Value]
"""Lines of one section of a config file."""


@dataclass(frozen=True)
class SuggestedSettings:
    """The content of an experiment's config file."""

    learns: str
    """What the model does with the examples."""
    files: dict[str, str] = field(default_factory=dict)
    """Config group → its file, where it is not the default one."""
    prepare: Section = field(default_factory=dict)
    model: Section = field(default_factory=dict)
    train: Section = field(default_factory=dict)
    control: Section = field(default_factory=dict)
    retrain: Section = field(default_factory=dict)


@dataclass(frozen=True)
class Amounts:
    """How many examples the splits have, apart from groups that stay whole."""

    labelled: int
    """Those with a label to train on."""
    unlabelled: int


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


def suggest_for_few_rows(splits: Section, train: Section, amounts: Amounts) -> SuggestedSettings:
    """Choose settings for rows of a table with classes and unlabelled ones."""
    batch = suggest_batch(fewest_in_training(amounts.labelled, splits), 64)
    epochs, of_epoch = 10, ROW_STEPS // 10
    train |= {"method": {"policy": "weak"}, "monitor": "val_accuracy"}
    retrain: Section = {"epochs": epochs, "steps_per_epoch": of_epoch, "batch_size": batch, "lr": 0.01}
    said = (
        f"learns their classes: a teacher on {amounts.labelled:,} labels, then a student in {epochs * of_epoch:,} "
        f"steps that learns from the unlabelled rows ({amounts.unlabelled:,}) as well, by consistency training"
        f"{measured(splits, amounts.labelled)}"
    )
    control: Section = {"policies": ["weak", "strong"]}
    return SuggestedSettings(said, FEW_ROWS_FILES, splits, {}, train, control, retrain)


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


def suggest_for_few_labels(
    height: int, width: int, flip: float, prepare: Section, amounts: Amounts
) -> SuggestedSettings:
    """Choose settings for images with classes and unlabelled ones: those of fashion_mnist_few, scaled."""
    side, folds = min(height, width), prepare.get("folds")
    pixels = height * width // (4 if side >= PATCHED else 1)
    trainings, least = (folds + 1 if isinstance(folds, int) else 1), fewest_in_training(amounts.labelled, prepare)
    teacher, student = suggest_batch(least, 128), suggest_batch(least, 64)
    epochs, steps = 10, min(250, max(50, amounts.labelled // teacher))
    train: Section = {"epochs": epochs, "steps_per_epoch": steps, "batch_size": teacher, "lr": 0.06, "ema": 0.99}
    train |= {"method": {"policy": "weak"}, "monitor": "val_accuracy"}
    train |= {policy: {"flip": flip} for policy in ("transforms", "weak", "strong")}
    rounds, of_round = 20, suggest_student_steps(trainings * pixels, student) // 20
    retrain: Section = {"epochs": rounds, "steps_per_epoch": of_round, "batch_size": student}
    said = (
        f"learns their classes: a teacher in {epochs * steps:,} steps on {amounts.labelled:,} labels, then a student "
        f"in {rounds * of_round:,} steps that learns from the unlabelled images ({amounts.unlabelled:,}) as well, by "
        f"consistency training{measured(prepare, amounts.labelled)}"
    )
    retrain["schedule"] = {"cycles": 2}
    return SuggestedSettings(said, FEW_LABELS_FILES, prepare, few_labels_network(side, flip), train, {}, retrain)


def few_labels_network(side: int, flip: float) -> Section:
    """Return the settings of a residual network, for images of this shorter side that are mirrored or not."""
    if side < HALVED_THRICE:
        layers: Section = {"stem": 32, "widths": [48, 80], "blocks": [0, 1]}
    else:
        layers = ({"stem": 24, "patch": 2} if side >= PATCHED else {}) | {"widths": [24, 48, 96]}
    return layers | {"pooling": "average", "flip_average": flip > 0}


def suggest_batch(labels: int, most: int) -> int:
    """Return the largest power of two up to `most` and the number of labels, at least 8."""
    return max(8, min(most, 1 << (labels.bit_length() - 1)))


def suggest_student_steps(pixels: float, batch: int) -> int:
    """Return the steps of consistency training for images of so many pixels, and labelled images in a step."""
    fewest, most = STUDENT_STEPS
    return min(most, max(fewest, round(STUDENT_PIXELS / (pixels * batch * VIEWS))))


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


def measured(splits: Section, labels: int) -> str:
    """Return how an error is measured with folds, and how exactly, in words; empty without folds."""
    if not splits["folds"]:
        return ""
    low, high = cross_validated_interval(round(SUPPOSED * labels), labels)
    folds = splits["folds"]
    assert isinstance(folds, int)
    return (
        f"; {labels} labels are too few to hold some out, so {folds}-fold cross-validation measures the error: one of "
        f"{SUPPOSED:.0%} would be known to lie between {low:.0%} and {high:.0%}. Each model is trained {folds + 1} "
        "times"
    )


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


def fewest_in_training(count: int, splits: Section) -> int:
    """Return how many of `count` training examples a training has at least: with folds, one fold is held out."""
    folds = splits.get("folds")
    return count * (folds - 1) // folds if isinstance(folds, int) else count
