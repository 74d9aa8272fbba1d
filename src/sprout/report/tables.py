"""The rows of the tables that every task has, as numbers; the template formats them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sprout.data.store import Array
from sprout.report.inputs import Model
from sprout.tasks.scores import Metrics, Score


@dataclass(frozen=True)
class Comparison:
    """One metric on one split, the last model against the one before it."""

    split: str
    score: Score
    values: list[float | None]
    """One for each model shown; None where there is nothing to measure on."""

    @property
    def difference(self) -> float | None:
        """The last model minus the one before it; None where one of them is missing or only one model is shown."""
        *_, before, last = (None, *self.values)
        return None if before is None or last is None else last - before

    @property
    def verdict(self) -> str:
        """better, worse or same; empty where there is no difference to judge."""
        if self.difference is None:
            return ""
        if abs(self.difference) < 1e-9:
            return "same"
        return "better" if (self.difference > 0) == self.score.higher_is_better else "worse"


def comparisons(
    scores: Sequence[Score], models: Mapping[str, Model], test: Mapping[str, Metrics] | None
) -> list[Comparison]:
    """Each metric of the task on val, then on test.

    Args:
        scores: the metrics to show.
        models: those shown, each with its metrics on val, or with cross-validation on the labels.
        test: the metrics of each model on test; None without test examples.
    """
    val = {role: model.training["val"] for role, model in models.items()}
    return [
        Comparison(split, score, [metrics[role][score.key] for role in models])
        for split, metrics in (("val", val), *([("test", test)] if test else []))
        for score in scores
    ]


def class_counts(labels: Mapping[str, Array], classes: int) -> dict[str, Array]:
    """For each split the number of examples of each class, (K,); examples without a known class are not counted."""
    return {split: np.bincount(values[values >= 0], minlength=classes) for split, values in labels.items()}
