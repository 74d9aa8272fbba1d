"""How two models differ on the same examples: altogether, by class, and in what they confuse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.significance import SURE, cross_validated_interval, standard_error, t_quantile, wilson_interval
from sprout.evaluate.tested_on import TEST
from sprout.tracking.paired import Difference, paired_classes, paired_numbers
from sprout.tracking.reading.outcome import Outcome, not_comparable

MOST_CELLS = 10
"""Cells of a confusion matrix that are named, those that changed most."""


@dataclass(frozen=True)
class Estimate:
    """A mean error, or the difference of two: that of a second model minus that of the first on the same examples."""

    value: float
    low: float
    high: float
    """Its 95% interval."""

    @property
    def is_real(self) -> bool:
        """Whether 0 lies outside of the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Paired:
    """Two models on the same examples."""

    measure: str
    """error of classifiers, absolute error of regressions, squared error of restored images."""
    noun: str
    """What one of the examples is called."""
    examples: int
    worse: int
    """Examples on which the first model alone is right; of numbers, on which it is nearer."""
    better: int
    """Examples on which the second model alone is right; of numbers, on which it is nearer."""
    difference: Estimate
    p: float
    """Of McNemar's exact test; of numbers, of the paired t-test."""

    @property
    def is_real(self) -> bool:
        """Whether 0 lies outside of the interval and the test agrees, as of few examples they may disagree."""
        return self.difference.is_real and self.p < 1 - SURE

    @property
    def verdict(self) -> str:
        """Of the second model: better, worse, or within chance."""
        if not self.is_real:
            return "within chance"
        return "better" if self.difference.value < 0 else "worse"


@dataclass(frozen=True)
class ClassErrors:
    """The errors of each run's model on one class."""

    name: str
    examples: tuple[int | None, ...]
    """That each was tested on; None for a run that does not have the class."""
    errors: tuple[float | None, ...]
    """The share that is wrong; None without examples."""
    differences: tuple[Estimate | None, ...]
    """Each further run against the first; None where the examples are others, or there are none."""

    @property
    def spread(self) -> float:
        """The largest error minus the smallest."""
        known = [error for error in self.errors if error is not None]
        return max(known) - min(known) if known else 0.0


@dataclass(frozen=True)
class Cell:
    """One mistake, and how often two models make it."""

    actual: str
    predicted: str
    first: int
    second: int


def paired(first: Outcome | str, second: Outcome | str) -> Paired | str:
    """Return how the models that two builds hand on differ on the same examples, or why that cannot be said."""
    if why := not_comparable(first, second):
        return why
    assert isinstance(first, Outcome)
    assert isinstance(second, Outcome)
    found = difference_of(first.errors, second.errors, first)
    estimate = Estimate(found.difference, found.low, found.high)
    return Paired(first.measure.name, first.noun, found.examples, found.worse, found.better, estimate, found.p)


def mean_error(outcome: Outcome | str) -> Estimate | None:
    """Return the mean error of a model; None where it is not known, or there are fewer than two examples."""
    if isinstance(outcome, str) or len(outcome.rows) < 2:
        return None
    total, value = len(outcome.rows), float(outcome.errors.mean())
    if not outcome.is_classifier:
        half = t_quantile(total) * standard_error(outcome.errors)
        return Estimate(value, value - half, value + half)
    of_split = wilson_interval if outcome.split == TEST else cross_validated_interval
    return Estimate(value, *of_split(int(outcome.errors.sum()), total))


def difference_of(first: Array, second: Array, outcome: Outcome) -> Difference:
    """Return the difference of the errors of two models on the same examples, (N,) each.

    Args:
        first: of the first model.
        second: of the second one.
        outcome: of the first model, which says what an error is, and how it was measured.
    """
    if not outcome.is_classifier:
        return paired_numbers(first, second)
    worse, better = int((first < second).sum()), int((second < first).sum())
    return paired_classes(worse, better, len(first), crossed=outcome.split != TEST)


def class_errors(outcomes: Sequence[Outcome | str]) -> list[ClassErrors]:
    """Return the errors of each class that the classifiers among these have; none of fewer than two classifiers."""
    known = [each if isinstance(each, Outcome) and each.is_classifier else None for each in outcomes]
    if sum(each is not None for each in known) < 2:
        return []
    names = dict.fromkeys(name for each in known if each for name in each.classes)
    comparable = [not_comparable(outcomes[0], other) is None for other in outcomes[1:]]
    return [class_error(name, known, comparable) for name in names]


def class_error(name: str, outcomes: Sequence[Outcome | None], comparable: Sequence[bool]) -> ClassErrors:
    """Return the errors of one class.

    Args:
        name: of the class.
        outcomes: one for each run; None for one that is no classifier.
        comparable: whether each further one is tested on the same examples as the first.
    """
    errors = [errors_on(each, name) for each in outcomes]
    first, *others = errors
    differences = [
        None if first is None or other is None or not (same and len(first)) else estimate_of(first, other, outcomes[0])
        for same, other in zip(comparable, others, strict=True)
    ]
    return ClassErrors(
        name,
        tuple(None if each is None else len(each) for each in errors),
        tuple(None if each is None or not len(each) else float(each.mean()) for each in errors),
        tuple(differences),
    )


def estimate_of(first: Array, second: Array, outcome: Outcome | None) -> Estimate:
    """Return the difference of two mean errors; the arguments are those of `difference_of`."""
    assert outcome is not None
    found = difference_of(first, second, outcome)
    return Estimate(found.difference, found.low, found.high)


def errors_on(outcome: Outcome | None, name: str) -> Array | None:
    """Return the errors on the examples of a class, (n,); None of a model that does not have it."""
    if outcome is None or name not in outcome.classes:
        return None
    of_class: Array = outcome.errors[outcome.given == outcome.classes.index(name)]
    return of_class


def confusion(outcome: Outcome) -> Array:
    """Return a classifier's confusion matrix: (K, K) int64 counts, rows actual, columns predicted."""
    classes = len(outcome.classes)
    flat = outcome.given.astype(np.int64) * classes + outcome.predicted
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def changed_cells(first: Outcome | str, second: Outcome | str) -> list[Cell]:
    """Return the mistakes that two classifiers make most unequally often on the same examples; none of others."""
    if not_comparable(first, second) or not (isinstance(first, Outcome) and isinstance(second, Outcome)):
        return []
    if not first.classes:
        return []
    counts = [confusion(each) for each in (first, second)]
    change = np.abs(counts[1] - counts[0]) * (1 - np.eye(len(first.classes), dtype=np.int64))
    order = np.argsort(-change, axis=None, kind="stable")[:MOST_CELLS]
    cells = [(int(flat) // len(change), int(flat) % len(change)) for flat in order]
    names = first.classes
    return [Cell(names[i], names[j], int(counts[0][i, j]), int(counts[1][i, j])) for i, j in cells if change[i, j]]
