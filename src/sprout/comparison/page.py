"""The page of a comparison: one file that needs no other file, no script and no network."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sprout.comparison import figures, rows, words
from sprout.comparison.styles import style
from sprout.report.figures import FEW, confusion_matrix
from sprout.report.page import environment
from sprout.runtime.files import atomic_write
from sprout.tracking.reading.compare import Comparison, Subject
from sprout.tracking.reading.curves import Curve
from sprout.tracking.reading.outcome import Outcome, not_comparable
from sprout.tracking.reading.paired import ClassErrors, Paired, confusion

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "comparison"
"""Of the artifacts of a run."""
NAMED = 5
"""Runs that the name of an artifact has."""
FIRST_CURVES = ("epoch/val_", "epoch/train_", "trial/", "epoch/", "step/")
"""The order of curves."""
Fields = dict[str, Any]
"""What the template reads, by name."""


def write_page(
    path: Path, subjects: Sequence[Subject], comparison: Comparison, curves: Sequence[Mapping[str, Curve]]
) -> None:
    """Write the page.

    Args:
        path: of the page; its folder is made.
        subjects: the runs.
        comparison: of them.
        curves: of each run, by name.
    """
    template = environment("sprout.comparison").get_template("comparison.html.j2")
    page = template.render(
        **answer(subjects, comparison),
        **differing(comparison),
        **of_classes(comparison),
        **confusions(subjects, comparison),
        curves=of_runs(curves),
    )
    with atomic_write(path) as beside:
        beside.write_text(page, encoding="utf-8", newline="\n")


def log_page(client: "MlflowClient", comparison: Comparison, path: Path) -> str:
    """Log the page as an artifact of the first run; return its path there, which names the other runs.

    Raises:
        Exception: the store does not take it; MLflow raises many types.
    """
    first, *others = (facts.run.id[:8] for facts in comparison.runs)
    more = [f"{len(others) - NAMED}-more"] if len(others) > NAMED else []
    name = "-".join([first, "with", *others[:NAMED], *more]) + ".html"
    with TemporaryDirectory() as scratch:
        copy = shutil.copy2(path, Path(scratch, name))
        client.log_artifact(comparison.runs[0].run.id, str(copy), FOLDER)
    return f"{FOLDER}/{name}"


def answer(subjects: Sequence[Subject], comparison: Comparison) -> Fields:
    """Return the runs, and whether they differ beyond chance."""
    paired = {number: each for number, each in enumerate(comparison.paired, 1) if isinstance(each, Paired)}
    names = words.letters(len(comparison.runs))
    return {
        "headline": words.headline(comparison),
        "runs": comparison.runs,
        "names": names,
        "styles": [style(number) for number in range(len(names))],
        "lead": words.lead(comparison),
        "reasons": {names[number]: each for number, each in enumerate(comparison.paired, 1) if isinstance(each, str)},
        "paired": {names[number]: each for number, each in paired.items()},
        "errors": comparison.errors,
        "measures": [each.outcome.measure.name if isinstance(each.outcome, Outcome) else "" for each in subjects],
        "differences": [
            figures.differences({number: each for number, each in paired.items() if each.measure == measure})
            for measure in dict.fromkeys(each.measure for each in paired.values())
        ],
        "words": words,
    }


def differing(comparison: Comparison) -> Fields:
    """Return what differs: settings, data, code and figures."""
    tables = dict(words.differing_rows(comparison))
    tables.pop("figures")
    return {
        "tables": tables,
        "figures": rows.figure_rows(comparison),
        "equal": words.equal_figures(comparison),
        "written": words.written,
    }


def of_classes(comparison: Comparison) -> Fields:
    """Return the errors of the classes, those that differ most first."""
    drawn = sorted(filter(is_known, comparison.classes), key=lambda each: -each.spread)[: figures.CLASSES]
    return {
        "classes": rows.class_rows(comparison.classes),
        "class_errors": figures.class_errors(drawn) if drawn else None,
        "drawn_classes": len(drawn),
    }


def is_known(found: ClassErrors) -> bool:
    """Whether any run has an error on a class."""
    return any(error is not None for error in found.errors)


def confusions(subjects: Sequence[Subject], comparison: Comparison) -> Fields:
    """Return the confusion matrix of each classifier, and its difference from that of the first run."""
    outcomes = [each.outcome for each in subjects]
    found = [
        (
            number,
            confusion_matrix(confusion(each), each.classes, f"confusion-{number}"),
            change(number, outcomes[0], each),
        )
        for number, each in enumerate(outcomes)
        if isinstance(each, Outcome) and each.classes
    ]
    largest = max((len(each.classes) for each in outcomes if isinstance(each, Outcome)), default=0)
    cells = rows.cell_rows(outcomes, comparison)
    return {"confusions": found, "cells": cells, "most_classes": largest, "wide": largest > FEW}


def change(number: int, first: Outcome | str, other: Outcome) -> Markup | None:
    """Return the difference of two confusion matrices; None of a run itself, and where the examples are others."""
    if first is other or isinstance(first, str) or not_comparable(first, other):
        return None
    return figures.confusion_change(f"change-{number}", confusion(first), confusion(other), first.classes)


def of_runs(curves: Sequence[Mapping[str, Curve]]) -> dict[str, Markup]:
    """Return each curve of all runs on one axis, by its name: on val first, then on train."""
    names = dict.fromkeys(name for each in curves for name in each)
    order = sorted(names, key=lambda name: next(i for i, first in enumerate(FIRST_CURVES) if name.startswith(first)))
    return {
        name: figures.curves(name, {number: each[name] for number, each in enumerate(curves) if name in each})
        for name in order
    }
