"""Measure models on the test split, as their task asks for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.store import Array, Store
from sprout.evaluate.classification import write_classification
from sprout.evaluate.clustering import write_clustering
from sprout.evaluate.confusion import write_confusion
from sprout.evaluate.reconstruction import reconstructions, write_restored
from sprout.evaluate.regression import regressions
from sprout.measure import examine, measure
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_json

Models = Mapping[str, Predictor]
"""Teacher and student, of one task."""
Examined = Mapping[str, Array]
"""What `measure.examine` has found with each."""


def evaluate(
    folder: Path, models: Models, test: Store, *, bins: int, examples: int, accepted: dict[str, Any]
) -> dict[str, Any]:
    """Write the figures, the predictions and whatever else the task has; return the figures.

    Args:
        folder: an empty folder.
        models: both models; a student that is the kept teacher is asked nothing twice.
        test: the test split.
        bins: of the calibration curve.
        examples: how many restored images are kept for the report.
        accepted: what is known of the pseudo-labels, see `pseudo_label_quality`.
    """
    examined = {"teacher": examine(models["teacher"], test, "test: teacher")}
    kept = models["student"].card.kept is not None
    examined["student"] = examined["teacher"] if kept else examine(models["student"], test, "test: student")
    return write_evaluation(folder, models, test, examined, bins=bins, examples=examples, accepted=accepted)


def write_evaluation(
    folder: Path,
    models: Models,
    test: Store,
    examined: Examined,
    *,
    bins: int,
    examples: int,
    accepted: dict[str, Any],
) -> dict[str, Any]:
    """`evaluate`, once the models have been asked."""
    found = {role: measure(model, test, role, bins, examined[role]) for role, model in models.items()}
    metrics = {"test": found, "pseudo_labels": accepted}
    write_json(folder / "metrics.json", metrics)
    table = write_task(folder, models, test, examined, bins, examples)
    pq.write_table(table, folder / "predictions.parquet", compression="zstd")
    return metrics


def write_task(folder: Path, models: Models, test: Store, examined: Examined, bins: int, examples: int) -> pa.Table:
    """Write the files that only this task has; return the predictions."""
    match models["student"].card.task:
        case "classify":
            return write_classification(folder, models, test, examined, bins)
        case "regress":
            write_confusion(folder)
            return regressions(models, test, examined)
        case "reconstruct":
            write_confusion(folder)
            table = reconstructions(examined)
            write_restored(folder, models["student"], test, table, examples)
            return table
        case _:
            return write_clustering(folder, models["student"].classes, test, examined)
