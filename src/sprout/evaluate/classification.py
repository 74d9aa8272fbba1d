"""What is written of classifiers: guesses, figures of each class, calibration curves and confusions."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from sprout.data.store import Array, Store
from sprout.evaluate.calibration import CURVE, calibration_curve
from sprout.evaluate.confusion import write_confusion
from sprout.measure import labels as labels_of
from sprout.measure import measured
from sprout.metrics import PER_CLASS, per_class
from sprout.models.predictor import Predictor, softmax
from sprout.runtime.files import write_rows


def write_classification(
    folder: Path, models: Mapping[str, Predictor], test: Store, logits: Mapping[str, Array], bins: int
) -> pa.Table:
    """Write the files of classes; return one row per test example whose class is known.

    Args:
        folder: where to.
        models: teacher and student.
        test: the test split.
        logits: of each model (N, K), on all of it.
        bins: of the calibration curve.
    """
    rows, classes = measured(test, "classify"), models["student"].classes
    labels = labels_of(test)[rows]
    probabilities = {role: softmax(logits[role][rows], model.card.temperature) for role, model in models.items()}
    figures = [{"model": m, **row} for m, p in probabilities.items() for row in per_class(p, labels, classes)]
    write_rows(folder / "per_class.csv", ["model", *PER_CLASS], figures)
    curves = [{"model": m, **row} for m, p in probabilities.items() for row in calibration_curve(p, labels, bins)]
    write_rows(folder / "calibration.csv", ["model", *CURVE], curves)
    guesses = probabilities["student"].argmax(axis=1)
    write_confusion(folder, [classes[a] for a in labels], [classes[g] for g in guesses])
    return predictions(probabilities, rows, labels)


def predictions(probabilities: Mapping[str, Array], rows: Array, labels: Array) -> pa.Table:
    """Each example's row and label, and each model's guess with its confidence."""
    columns: dict[str, Array] = {"row": rows, "label": labels}
    for model, p in probabilities.items():
        columns[model] = p.argmax(axis=1)
        columns[f"{model}_confidence"] = p.max(axis=1)
    return pa.table(columns)
