"""Learning curves of teacher, control and student side by side, for `dvc plots`.

DVC warns of a missing column, and each task has other metrics: each metric has a file of its own, and DVC draws every
file in the folder.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from sprout.runtime.files import write_json
from sprout.runtime.model_folder import ROLES

Curve = dict[int, float]
"""A metric by epoch."""


def write_curves(folder: Path, models: Mapping[str, Path]) -> None:
    """Write a file for each metric on val, such as `val_loss.json`: rows of `epoch` and the metric of each model.

    Without a validation split the metrics are those on train.

    The metric is null where that model has no such epoch; a model that was not trained, or not in epochs, has none at
    all.

    Args:
        folder: an empty one.
        models: the model folder of each that was trained.
    """
    curves = {role: read_curves(models[role] / "history.csv") if role in models else {} for role in ROLES}
    for metric in sorted({metric for each in curves.values() for metric in each}):
        of_role = {role: each.get(metric, {}) for role, each in curves.items()}
        epochs = sorted({epoch for curve in of_role.values() for epoch in curve})
        rows = [{"epoch": epoch} | {role: curve.get(epoch) for role, curve in of_role.items()} for epoch in epochs]
        write_json(folder / f"{metric}.json", rows)


def read_curves(path: Path) -> dict[str, Curve]:
    """The columns on val of one `history.csv`, or else on train, without values that are not finite."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or [])
    split = "val_" if any(column.startswith("val_") for column in columns) else "train_"
    return {
        column: {int(row["epoch"]): float(row[column]) for row in rows if math.isfinite(float(row[column] or "nan"))}
        for column in columns
        if column.startswith(split)
    }
