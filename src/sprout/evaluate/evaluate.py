"""Measure models on the test split, as their task asks for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sprout.data.store import Array, Store
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_json
from sprout.tasks.base import Limits

Models = Mapping[str, Predictor]
"""Teacher, control if there is one, and student, of one task."""


def evaluate(
    folder: Path, models: Models, test: Store, limits: Limits, pseudo_labels: dict[str, Any]
) -> dict[str, Any]:
    """Write the metrics, the predictions and whatever else the task has; return the metrics.

    Args:
        folder: an empty folder.
        models: all models; a student that is a copy of another one is computed once.
        test: the test split.
        limits: bins of the calibration curve, and images that are kept for the report.
        pseudo_labels: what is known of them, see `pseudo_label_quality`.
    """
    examined: dict[str, Array] = {}
    for role, model in models.items():
        same = examined.get(model.card.kept or "")
        examined[role] = model.task.examine(model, test, f"test: {role}") if same is None else same
    return write_evaluation(folder, models, test, examined, limits, pseudo_labels)


def write_evaluation(
    folder: Path,
    models: Models,
    test: Store,
    examined: Mapping[str, Array],
    limits: Limits,
    pseudo_labels: dict[str, Any],
) -> dict[str, Any]:
    """`evaluate`, given what `Task.examine` returned for each model."""
    found = {role: model.task.metrics(examined[role], model.card, test, limits.bins) for role, model in models.items()}
    metrics = {"test": found, "pseudo_labels": pseudo_labels}
    write_json(folder / "metrics.json", metrics)
    table = models["student"].task.write_evaluation(folder, models, test, examined, limits)
    pq.write_table(table, folder / "predictions.parquet", compression="zstd")
    return metrics
