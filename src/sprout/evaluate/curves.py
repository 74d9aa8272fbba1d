"""Teacher beside student, epoch by epoch, for `dvc plots`.

DVC warns of a column that is missing, and each task has other figures: here each figure has a file of its own, and DVC
draws whatever lies in the folder.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from sprout.runtime.files import write_json

Curve = dict[int, float]
"""A figure by epoch."""


def write_curves(folder: Path, histories: Mapping[str, Path]) -> None:
    """Write a file for each figure on val, such as `val_loss.json`: rows of `epoch` and the figure of each model.

    The figure is null where that model has no such epoch; a model that was not trained in epochs has none at all.

    Args:
        folder: it is made.
        histories: each model's `history.csv`.
    """
    folder.mkdir()
    read = {role: curves(path) for role, path in histories.items()}
    for figure in sorted({figure for found in read.values() for figure in found}):
        of_each = {role: found.get(figure, {}) for role, found in read.items()}
        epochs = sorted({epoch for curve in of_each.values() for epoch in curve})
        rows = [{"epoch": epoch} | {role: curve.get(epoch) for role, curve in of_each.items()} for epoch in epochs]
        write_json(folder / f"{figure}.json", rows)


def curves(path: Path) -> dict[str, Curve]:
    """The columns on val of one `history.csv`."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), reader.fieldnames or []
    return {
        column: {int(row["epoch"]): float(row[column]) for row in rows if math.isfinite(float(row[column] or "nan"))}
        for column in columns
        if column.startswith("val_")
    }
