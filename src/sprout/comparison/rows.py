"""The figures of several runs side by side, with their intervals where these are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sprout.comparison.words import counted, differing_rows, minus, points, written
from sprout.evaluate.significance import cross_validated_interval, wilson_interval
from sprout.evaluate.tested_on import CROSS_VALIDATION
from sprout.tracking.reading.compare import Comparison
from sprout.tracking.reading.facts import Facts
from sprout.tracking.reading.outcome import Outcome, not_comparable
from sprout.tracking.reading.paired import MOST_CELLS, ClassErrors, Estimate

SHARES = ("error_rate", "accuracy")
"""Metrics that are shares of examples, each of which is right or wrong."""


@dataclass(frozen=True)
class FigureCell:
    """A figure of one run."""

    value: str
    below: str
    """What is said below it, its 95% interval or its difference from the first run; may be empty."""
    verdict: str = ""
    """better or worse than the first run beyond chance; else empty."""


@dataclass(frozen=True)
class ClassRow:
    """The errors of one class."""

    name: str
    examples: str
    cells: list[FigureCell]
    """One for each run."""


def figure_rows(comparison: Comparison) -> dict[str, dict[str, list[FigureCell]]]:
    """Return the figures that are not equal in all runs: by model and name a cell for each run."""
    found: dict[str, dict[str, list[FigureCell]]] = {}
    for name, values in differing_rows(comparison)["figures"].items():
        model, _, metric = name.rpartition("/")
        cells = [figure_cell(name, value, facts) for value, facts in zip(values, comparison.runs, strict=True)]
        found.setdefault(model, {})[metric] = cells
    return found


def figure_cell(name: str, value: float | None, facts: Facts) -> FigureCell:
    """Return a figure of a run as text."""
    found = None if value is None else interval(name, value, facts)
    return FigureCell(written(value), "" if found is None else f"{found[0]:.3g} to {found[1]:.3g}")


def interval(name: str, value: float, facts: Facts) -> tuple[float, float] | None:
    """Return the 95% interval of a share of examples (Wilson); None for any other figure."""
    split, metric = split_and_metric(name)
    if metric not in SHARES or not facts.splits:
        return None
    labelled = facts.splits.get(split, {}).get("labelled", 0)
    if split in ("test", "val") and labelled:
        return wilson_interval(value * labelled, labelled)
    learned = facts.splits["train"]["labelled"]
    if split == CROSS_VALIDATION and learned:
        return cross_validated_interval(round(value * learned), learned)
    return None


def class_rows(classes: Sequence[ClassErrors]) -> list[ClassRow]:
    """Return the errors of each class, those that differ most first."""
    ordered = sorted(classes, key=lambda each: -each.spread)
    return [
        ClassRow(each.name, counted(each), [*map(class_cell, each.errors, (None, *each.differences))])
        for each in ordered
    ]


def class_cell(error: float | None, difference: Estimate | None) -> FigureCell:
    """Return the error of a run on a class, and its difference from the first run."""
    value = "–" if error is None else f"{error:.1%}"
    if difference is None:
        return FigureCell(value, "")
    verdict = "" if not difference.is_real else "better" if difference.value < 0 else "worse"
    return FigureCell(value, minus(points(difference)), verdict)


def cell_rows(outcomes: Sequence[Outcome | str], comparison: Comparison) -> dict[tuple[str, str], list[str]]:
    """Return the mistakes whose numbers changed most: by class and prediction how often each run makes them."""
    cells = sorted(chain(*comparison.confusions), key=lambda cell: -abs(cell.second - cell.first))
    named = list(dict.fromkeys((cell.actual, cell.predicted) for cell in cells))[:MOST_CELLS]
    return {pair: [times(*pair, outcome, outcomes[0]) for outcome in outcomes] for pair in named}


def times(actual: str, predicted: str, outcome: Outcome | str, first: Outcome | str) -> str:
    """Return how often a model makes a mistake; a dash where its examples are not those of the first run."""
    if isinstance(outcome, str) or not_comparable(first, outcome):
        return "–"
    row, column = outcome.classes.index(actual), outcome.classes.index(predicted)
    return f"{int(((outcome.given == row) & (outcome.predicted == column)).sum()):,}"


def split_and_metric(name: str) -> tuple[str, str]:
    """Return the split and the metric that the name of a figure has: student/test_error_rate, val_accuracy."""
    short = name.rpartition("/")[2]
    split = next((each for each in ("test", "val", CROSS_VALIDATION) if short.startswith(f"{each}_")), "")
    return split, short.removeprefix(f"{split}_")
