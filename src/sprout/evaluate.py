"""Measure teacher and student on the test split, and the accepted pseudo-labels against the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.calibration import CURVE, calibration_curve
from sprout.core.records import write_json, write_rows
from sprout.core.store import Array, read_labels
from sprout.metrics import PER_CLASS, classification_metrics, per_class


def evaluate(
    folder: Path,
    probabilities: dict[str, Array],
    labels: Array,
    classes: list[str],
    *,
    bins: int,
    accepted: dict[str, Any],
) -> dict[str, Any]:
    """Write the figures, the predictions and the curves; return the figures.

    Args:
        folder: an empty folder.
        probabilities: for teacher and student (N, K) calibrated, on the test split.
        labels: (N,) the test split's labels.
        classes: names, by index.
        bins: bins of the calibration curve.
        accepted: what is known of the pseudo-labels, see `pseudo_label_quality`.
    """
    metrics = {
        "test": {model: classification_metrics(p, labels, bins) for model, p in probabilities.items()},
        "pseudo_labels": accepted,
    }
    write_json(folder / "metrics.json", metrics)
    pq.write_table(predictions(probabilities, labels), folder / "predictions.parquet", compression="zstd")
    models = probabilities.items()
    figures = [{"model": m, **row} for m, p in models for row in per_class(p, labels, classes)]
    write_rows(folder / "per_class.csv", ["model", *PER_CLASS], figures)
    curves = [{"model": m, **row} for m, p in models for row in calibration_curve(p, labels, bins)]
    write_rows(folder / "calibration.csv", ["model", *CURVE], curves)
    guesses = probabilities["student"].argmax(axis=1)
    pairs = [{"actual": classes[a], "predicted": classes[g]} for a, g in zip(labels, guesses, strict=True)]
    write_rows(folder / "confusion.csv", ["actual", "predicted"], pairs)
    return metrics


def predictions(probabilities: dict[str, Array], labels: Array) -> pa.Table:
    """One row per test example: its label, and each model's guess with its confidence."""
    columns: dict[str, Array] = {"row": np.arange(len(labels)), "label": labels}
    for model, p in probabilities.items():
        columns[model] = p.argmax(axis=1)
        columns[f"{model}_confidence"] = p.max(axis=1)
    return pa.table(columns)


def pseudo_label_quality(pseudo_labels: Path, truth: Path) -> dict[str, Any]:
    """How many of the pool were accepted, of how many the truth is known, and the share of these that is right.

    The share is None where none of them is known: the pool may hold examples that came without a label.

    Args:
        pseudo_labels: the folder with the label table of what was accepted.
        truth: the table of the pool's withheld labels, null where there was none to withhold.
    """
    accepted, labels = read_labels(pseudo_labels), pq.read_table(truth)["label"].fill_null(-1).to_numpy()
    true = labels[accepted["row"].to_numpy()]
    right = (true == accepted["label"].to_numpy())[true >= 0]
    accuracy = float(right.mean()) if len(right) else None
    return {"pool": len(labels), "accepted": accepted.num_rows, "known": len(right), "accuracy": accuracy}
