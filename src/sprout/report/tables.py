"""The rows of the page's tables, as numbers; how they are written is the template's business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.report.chance import coin, wilson
from sprout.report.inputs import Inputs, Model, to_float

SCORES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Measure:
    """One row of teacher against student. `values` has one number (or None) for each model shown."""

    split: str
    name: str
    values: list[float | None]
    form: str
    """How it is written: share, decimal, compact or count."""
    higher_is_better: bool

    @property
    def difference(self) -> float | None:
        """Student minus teacher; None where one of them is missing or only one model is shown."""
        if len(self.values) < 2 or self.values[0] is None or self.values[1] is None:
            return None
        return self.values[1] - self.values[0]

    @property
    def verdict(self) -> str:
        """better, worse, same, or nothing where there is no difference to judge."""
        if self.difference is None:
            return ""
        if abs(self.difference) < 1e-9:
            return "same"
        return "better" if (self.difference > 0) == self.higher_is_better else "worse"


MEASURES = {
    "classify": (
        ("accuracy", "Accuracy", "share", True),
        ("error_rate", "Error", "share", False),
        ("log_loss", "Log loss", "decimal", False),
        ("calibration_error", "Calibration error", "decimal", False),
        ("macro_f1", "Macro F1", "decimal", True),
    ),
    "regress": (
        ("mae", "Mean absolute error", "compact", False),
        ("rmse", "Root mean squared error", "compact", False),
        ("r2", "R²", "decimal", True),
    ),
    "reconstruct": (
        ("noisy_mse", "Mean squared error of the input", "compact", False),
        ("mse", "Mean squared error of the output", "compact", False),
        ("noise_left", "Noise left", "share", False),
    ),
    "cluster": (
        ("clusters", "Clusters used", "count", True),
        ("inertia", "Inertia", "compact", False),
        ("purity", "Purity", "share", True),
        ("nmi", "Normalised mutual information", "decimal", True),
    ),
}
"""By task: the figures' keys, their names, how they are written, and whether more is better."""


def comparison(task: str, models: Mapping[str, Model], test: Mapping[str, Mapping[str, float | None]]) -> list[Measure]:
    """Scores of every model on val and test. `test`: for each model its scores, as `evaluate` wrote them."""
    val = {name: model.metrics["val"] for name, model in models.items()}
    return [
        Measure(split, label, [scores[name][key] for name in models], form, higher)
        for split, scores in (("val", val), ("test", test))
        for key, label, form, higher in MEASURES[task]
    ]


@dataclass(frozen=True)
class Outcome:
    """What the test split says, counted example by example."""

    total: int
    intervals: dict[str, tuple[float, float]]
    """95% interval of each model's test accuracy; empty where there is no test example."""
    mended: int
    """Examples that the student gets right and the teacher does not."""
    broken: int
    """Examples that the teacher gets right and the student does not."""

    @property
    def chance(self) -> float:
        """Probability that equally good models differ at least so unevenly; 1 where they never differ.

        Between equals, each example that just one of them gets right is the toss of a fair coin.
        """
        return coin(self.mended, self.broken)


def outcome(inputs: Inputs) -> Outcome:
    """Count right and wrong predictions of each model."""
    label = inputs.predictions["label"].to_numpy()
    right = {name: inputs.predictions[name].to_numpy() == label for name in ("teacher", "student")}
    total = len(label)
    intervals = {name: wilson(int(right[name].sum()), total) for name in inputs.models if total}
    mended = int((right["student"] & ~right["teacher"]).sum())
    broken = int((right["teacher"] & ~right["student"]).sum())
    return Outcome(total, intervals, mended, broken)


def confusion_counts(actual: Array, predicted: Array, classes: int) -> Array:
    """(K, K) int64 counts, rows actual, columns predicted."""
    return np.bincount(actual * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def most_confused(matrix: Array, wanted: int = 10) -> list[tuple[int, int, int, float]]:
    """The commonest confusions: (actual, predicted, count, share of the actual class), by falling count."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:wanted]
    pairs = [(int(flat) // len(matrix), int(flat) % len(matrix)) for flat in order]
    return [(i, j, int(wrong[i, j]), float(wrong[i, j] / matrix[i].sum())) for i, j in pairs if wrong[i, j]]


def per_class(rows: Sequence[Mapping[str, str]], models: Sequence[str]) -> list[dict[str, Any]]:
    """One row per class with each model's precision, recall and F1, lists in the models' order.

    Worst F1 of the last model first; classes without test examples come last.
    """
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["model"] in models:
            empty: dict[str, Any] = {score: [None] * len(models) for score in SCORES}
            start = {"class": row["class"], "support": int(row["support"]), **empty}
            entry = table.setdefault(row["class"], start)
            for score in SCORES:
                entry[score][models.index(row["model"])] = to_float(row[score])
    return sorted(table.values(), key=_weakness)


def _weakness(row: Mapping[str, Any]) -> tuple[bool, float]:
    return row["support"] == 0, float(np.nan_to_num(row["f1"][-1], nan=2.0))


def class_counts(labels: Mapping[str, Array], classes: int) -> dict[str, Array]:
    """For each split how many examples carry each label, (K,); examples without a label are not counted."""
    return {split: np.bincount(values[values >= 0], minlength=classes) for split, values in labels.items()}


def accepted_by_class(classes: Sequence[str], true: Array, labels: Array, confidence: Array) -> list[dict[str, Any]]:
    """One row per class: its true labels, its accepted pseudo-labels and their mean confidence.

    Args:
        classes: K names.
        true: (K,) training examples with a true label of each class.
        labels: (n,) class indices of the accepted pseudo-labels.
        confidence: (n,) in 0..1.
    """
    accepted = np.bincount(labels, minlength=len(classes))
    sums = np.bincount(labels, weights=confidence, minlength=len(classes))
    most = max(1, int(accepted.max()))
    return [
        {"name": name, "true": t, "accepted": n, "of_most": n / most, "confidence": s / n if n else None}
        for name, t, n, s in zip(classes, true.tolist(), accepted.tolist(), sums.tolist(), strict=True)
    ]
