"""The page of a classifier: the confusion matrix, each class, calibration, pseudo-labels and confident mistakes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.report import figures
from sprout.report.formatting import decimal, plural
from sprout.report.inputs import Inputs, to_float
from sprout.report.pages.class_result import count_outcome, explanation, headline, intervals, meaning
from sprout.report.pages.mistakes import mistakes_gallery
from sprout.report.pages.pseudo_labels import pseudo_label_fields
from sprout.report.pictures import are_pictures
from sprout.runtime.files import read_rows

Fields = dict[str, Any]
FINE_TEST_SPLIT = 2000
"""From this number of test examples on, a second digit of a percentage is meaningful."""
CONTENTS = {
    "confusions": "Confusion matrix",
    "classes": "Metrics per class",
    "reliability": "Calibration",
    "pseudo-labels": "Pseudo-labels",
    "mistakes": "Most confident mistakes",
}
SCORES = ("precision", "recall", "f1")
"""The columns of `per_class.csv` that are shown."""


def page(inputs: Inputs, prepared: Path, examples: int) -> Fields:
    """See `report.pages`."""
    return {
        "template": "pages/classify.html.j2",
        "contents": contents(inputs),
        **_result(inputs),
        **_judgement(inputs),
        **pseudo_label_fields(inputs, prepared / "unlabelled", examples),
        "drawable": are_pictures(inputs.summary),
        "mistakes_shown": mistakes_gallery(inputs, prepared / inputs.tested_split, examples),
    }


def contents(inputs: Inputs) -> dict[str, str]:
    """The sections of the page by anchor; without an unlabelled pool there is none on pseudo-labels."""
    left_out = () if inputs.has_pool else ("pseudo-labels",)
    return {anchor: title for anchor, title in CONTENTS.items() if anchor not in left_out}


def _result(inputs: Inputs) -> Fields:
    outcome = count_outcome(inputs)
    digits = 1 if outcome.total < FINE_TEST_SPLIT else 2
    labelled, unlabelled = (len(inputs.labels[split]) for split in ("train", "unlabelled"))
    temperatures = [model.card["temperature"] for model in inputs.models.values()]
    of_rounds = [found["accepted"] for labeller, found in inputs.pseudo_labels.items() if labeller != "student"]
    return {
        "what": f"A classifier of {len(inputs.classes)} classes, from {plural(labelled, 'labelled training example')} "
        f"and {plural(unlabelled, 'unlabelled example')}.",
        "tested": outcome.total,
        "headline": headline(outcome, digits),
        "explanation": explanation(outcome, digits, unlabelled, of_rounds[-1] if of_rounds else 0),
        "meaning": meaning(outcome, inputs.shown),
        "digits": digits,
        "intervals": intervals(outcome),
        "model_rows": {"Softmax temperature": [decimal(each, 2) for each in temperatures]},
    }


def _judgement(inputs: Inputs) -> Fields:
    actual, predicted = (inputs.predictions[column].to_numpy() for column in ("label", inputs.shown))
    matrix, roles = confusion_matrix(actual, predicted, len(inputs.classes)), list(inputs.models)
    bins = read_rows(inputs.evaluation_folder / "calibration.csv")
    return {
        "confusion": figures.confusion_matrix(matrix, inputs.classes),
        "wide": len(inputs.classes) > figures.FEW,
        "confused": most_confused(matrix),
        "mistakes": int((actual != predicted).sum()),
        "per_class": per_class(read_rows(inputs.evaluation_folder / "per_class.csv"), roles, inputs.shown),
        "reliability": {when: figures.reliability(bins, roles, when) for when in ("before", "after")},
        "calibration_errors": calibration_errors(inputs),
    }


def confusion_matrix(actual: Array, predicted: Array, classes: int) -> Array:
    """(K, K) int64 counts, rows actual, columns predicted."""
    return np.bincount(actual * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def most_confused(matrix: Array, wanted: int = 10) -> list[tuple[int, int, int, float]]:
    """The most frequent confusions: (actual, predicted, count, share of the actual class), by falling count."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:wanted]
    pairs = [(int(flat) // len(matrix), int(flat) % len(matrix)) for flat in order]
    return [(i, j, int(wrong[i, j]), float(wrong[i, j] / matrix[i].sum())) for i, j in pairs if wrong[i, j]]


def per_class(rows: Sequence[Mapping[str, str]], roles: Sequence[str], shown: str) -> list[dict[str, Any]]:
    """One row per class with precision, recall and F1 of each model, lists in the order of `roles`.

    The lowest F1 of the model shown comes first; classes without test examples come last.
    """
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["model"] in roles:
            empty: dict[str, Any] = {score: [None] * len(roles) for score in SCORES}
            entry = table.setdefault(row["class"], {"class": row["class"], "support": int(row["support"]), **empty})
            for score in SCORES:
                entry[score][roles.index(row["model"])] = to_float(row[score])
    place = roles.index(shown)
    return sorted(
        table.values(), key=lambda row: (row["support"] == 0, float(np.nan_to_num(row["f1"][place], nan=2.0)))
    )


def calibration_errors(inputs: Inputs) -> list[dict[str, Any]]:
    """For each model shown: temperature, test examples, and calibration error before and after calibration."""
    rows = read_rows(inputs.evaluation_folder / "calibration_errors.csv")
    return [
        {
            "model": row["model"],
            "temperature": inputs.models[row["model"]].card["temperature"],
            **{name: to_float(row[name]) for name in ("examples", "before", "after")},
        }
        for row in rows
        if row["model"] in inputs.models
    ]
