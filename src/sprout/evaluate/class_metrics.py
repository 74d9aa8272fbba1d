"""Metrics of a classifier, as scikit-learn defines them."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from sprout.data.store import Array
from sprout.evaluate.calibration import calibration_error
from sprout.tasks.scores import Metrics

PER_CLASS = ["class", "precision", "recall", "f1", "support"]
"""Columns of `per_class.csv`."""


def classification_metrics(outcomes: Array, labels: Array, bins: int) -> Metrics:
    """Accuracy, error, log loss in nats, expected calibration error, and macro F1 as scikit-learn defines them.

    Macro F1 is the mean over the classes that occur among labels or predictions. All are None where there is no
    example.

    Args:
        outcomes: (N,) with the fields `predicted`, `confidence` and `of_label`, see `tasks.class_outcomes.OUTCOME`.
        labels: (N,) int.
        bins: of the calibration error.
    """
    if not len(labels):
        return dict.fromkeys(("accuracy", "error_rate", "log_loss", "calibration_error", "macro_f1"))
    predicted, of_label = outcomes["predicted"].astype(np.int64), outcomes["of_label"].astype(np.float64)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        # Not "error": DVC takes a key of that name for a failure.
        "error_rate": float((predicted != labels).mean()),
        # scikit-learn's log_loss clips to the type's epsilon; a float32 probability of 0 would be infinite.
        "log_loss": float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean()),
        "calibration_error": calibration_error(outcomes["confidence"].copy(), predicted == labels, bins),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0.0)),
    }


def per_class(predicted: Array, labels: Array, classes: list[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class, by scikit-learn; 0 where a metric has no example.

    Args:
        predicted: (N,) int.
        labels: (N,) int.
        classes: K names.
    """
    if not len(labels):  # which scikit-learn refuses
        return [dict.fromkeys(PER_CLASS, 0) | {"class": name} for name in classes]
    *scores, support = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=0.0)
    # scikit-learn counts the support in floats where no prediction is correct
    rows = zip(classes, *(column.tolist() for column in scores), support.astype(int).tolist(), strict=True)
    return [dict(zip(PER_CLASS, row, strict=True)) for row in rows]
