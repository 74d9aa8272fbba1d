"""The page of a classifier: what it confuses, how far its confidence is to be trusted, and its pseudo-labels."""

from pathlib import Path
from typing import Any

from sprout.report import figures, tables
from sprout.report.galleries import accepted_gallery, mistakes_gallery
from sprout.report.inputs import Inputs, class_indices, to_float
from sprout.report.pictures import are_pictures
from sprout.report.verdict import classifier, explanation, headline

Fields = dict[str, Any]
FINE_TEST_SPLIT = 2000
"""From so many test examples on, a second digit of a percentage means something."""
CONTENTS = {
    "confusions": "Confusions",
    "classes": "Classes",
    "reliability": "Reliability",
    "pseudo-labels": "Pseudo-labels",
    "mistakes": "Surest mistakes",
}


def classification(inputs: Inputs, prepared: Path, examples: int) -> Fields:
    """What the template shows of a classifier.

    Args:
        inputs: what the stages wrote.
        prepared: the stores that examples are taken from.
        examples: shown in each of the two galleries; 0 for none.
    """
    return {
        "contents": CONTENTS,
        **_result(inputs),
        **_judgement(inputs),
        **_pseudo_labels(inputs),
        **_galleries(inputs, prepared, examples),
    }


def _result(inputs: Inputs) -> Fields:
    test = inputs.scores["test"]
    found = tables.outcome(inputs)
    errors = {name: test[name]["error_rate"] for name in inputs.models}
    digits = 1 if found.total < FINE_TEST_SPLIT else 2
    pseudo = inputs.scores["pseudo_labels"]
    splits = inputs.labels
    return {
        "what": classifier(len(inputs.classes), len(splits["train"]), len(splits["unlabelled"])),
        "tested": found.total,
        "headline": headline(errors, digits),
        "explanation": explanation(errors, digits, found, pseudo["pool"], pseudo["accepted"]),
        "digits": digits,
        "outcome": found,
    }


def _judgement(inputs: Inputs) -> Fields:
    actual, predicted = (inputs.predictions[column].to_numpy() for column in ("label", inputs.shown))
    matrix = tables.confusion_counts(actual, predicted, len(inputs.classes))
    return {
        "confusion": figures.confusion_matrix(matrix, inputs.classes),
        "confused": tables.most_confused(matrix),
        "mistakes": int((actual != predicted).sum()),
        "per_class": tables.per_class(inputs.per_class, list(inputs.models)),
        "reliability": figures.reliability(inputs.calibration, list(inputs.models)),
    }


def _pseudo_labels(inputs: Inputs) -> Fields:
    labels, confidence = class_indices(inputs.accepted), inputs.accepted["confidence"].to_numpy()
    true = tables.class_counts(inputs.labels, len(inputs.classes))["train"]
    return {
        "pseudo": inputs.scores["pseudo_labels"],
        "accepted": tables.accepted_by_class(inputs.classes, true, labels, confidence),
        "histogram": figures.confidence_histogram(confidence) if len(confidence) else None,
        "rounds": [{key: to_float(value) for key, value in row.items()} for row in inputs.rounds],
    }


def _galleries(inputs: Inputs, prepared: Path, examples: int) -> Fields:
    return {
        "drawable": are_pictures(inputs.summary),
        "accepted_shown": accepted_gallery(inputs, prepared / "unlabelled", examples),
        "mistakes_shown": mistakes_gallery(inputs, prepared / "test", examples),
    }
