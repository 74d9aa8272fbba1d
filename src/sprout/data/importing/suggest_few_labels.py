"""Initial settings for data with few labels and an unlabelled pool."""

from sprout.data.importing.suggested import Amounts, Section, SuggestedSettings, fewest_in_training, measured
from sprout.methods import Consistency

HALVED_THRICE = 16
"""Pixels a side from which images are halved three times, not twice."""
PATCHED = 48
"""Pixels a side from which patches of 2 × 2 pixels become one pixel of the network, so that steps are cheap."""
STUDENT_PIXELS = 1_400_000_000
"""Pixels, or patches of them, that the network processes in consistency training: a quarter of an hour on two cores."""
STUDENT_STEPS = (500, 4_000)
"""The fewest and the most steps of consistency training."""
VIEWS = 9
"""Views of images in its step for each labelled one, which comes with two views of each of four unlabelled ones."""
ROW_STEPS = 1_000
"""Steps of consistency training on rows of a table."""
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


def suggest_student_steps(pixels: float, batch: int) -> int:
    """Return the steps of consistency training for images of so many pixels, and labelled images in a step."""
    fewest, most = STUDENT_STEPS
    return min(most, max(fewest, round(STUDENT_PIXELS / (pixels * batch * VIEWS))))


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


def suggest_batch(labels: int, most: int) -> int:
    """Return the largest power of two up to `most` and the number of labels, at least 8."""
    return max(8, min(most, 1 << (labels.bit_length() - 1)))
