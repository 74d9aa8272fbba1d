"""Put the page together and write it: it needs no other file, no script and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sprout.core.atomic import whole_file
from sprout.report import figures, tables, wording
from sprout.report.galleries import accepted_gallery, mistakes_gallery
from sprout.report.inputs import SPLITS, Inputs, class_indices, read_inputs, to_float
from sprout.report.pictures import are_pictures
from sprout.report.verdict import explanation, headline

Fields = dict[str, Any]
TRAININGS = {"teacher": "train", "student": "retrain"}
"""The section with each model's training."""
FINE_TEST_SPLIT = 2000
"""From so many test examples on, a second digit of a percentage means something."""


def write_report(
    out: Path,
    *,
    config: dict[str, Any],
    build: str,
    prepared: Path,
    pseudo_labels: Path,
    teacher: Path,
    student: Path,
    evaluation: Path,
    examples: int,
) -> None:
    """Write the page to `out`. The same inputs give the same bytes.

    Args:
        out: the page, index.html; its folder is made.
        config: the composed configuration, one nested dict per section.
        build: hash of the build, as in the name of its runs.
        prepared: folder of the stage `prepare`; the stores `unlabelled` and `test` give the examples shown.
        pseudo_labels: folder of the stage `pseudo_label`.
        teacher: model folder of the stage `train`.
        student: model folder of the stage `retrain`.
        evaluation: folder of the stage `evaluate`.
        examples: shown in each of the two galleries; 0 for none.

    Raises:
        FileNotFoundError: an earlier stage has not written its file.
        UserError: a store that examples are taken from is not whole.
    """
    inputs = read_inputs(prepared, pseudo_labels, teacher, student, evaluation)
    template = _environment().get_template("page.html.j2")
    page = template.render(
        experiment=config["experiment"],
        build=build,
        classes=inputs.classes,
        models=list(inputs.models),
        kept=inputs.kept,
        shown=inputs.shown,
        **_result(inputs),
        **_built(inputs, config),
        **_learning(inputs),
        **_judgement(inputs),
        **_pseudo_labels(inputs),
        **_galleries(inputs, prepared, examples),
        settings=wording.settings(config),
    )
    with whole_file(out) as beside:
        beside.write_text(page, encoding="utf-8", newline="\n")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sprout.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (wording.percent, wording.decimal, wording.compact, wording.count, wording.signed, wording.plural)
    environment.filters.update({one.__name__: one for one in written})
    return environment


def _result(inputs: Inputs) -> Fields:
    test = inputs.scores["test"]
    found = tables.outcome(inputs)
    errors = {name: test[name]["error_rate"] for name in inputs.models}
    digits = 1 if found.total < FINE_TEST_SPLIT else 2
    pseudo = inputs.scores["pseudo_labels"]
    return {
        "headline": headline(errors, digits),
        "explanation": explanation(errors, digits, found, pseudo["pool"], pseudo["accepted"]),
        "digits": digits,
        "measures": tables.comparison(inputs.models, test),
        "outcome": found,
    }


def _built(inputs: Inputs, config: Mapping[str, Any]) -> Fields:
    train, retrain = dict(wording.settings(config["train"])), dict(wording.settings(config["retrain"]))
    whole = ("model", "augment", "train", "pseudo_label")
    differs = [(key, value) for key, value in retrain.items() if train.get(key) != value]
    return {
        "summary": inputs.summary,
        "faulty": inputs.faulty,
        "sizes": {split: len(inputs.labels[split]) for split in SPLITS},
        "class_counts": tables.class_counts(inputs.labels, len(inputs.classes)),
        "trainings": {name: config[TRAININGS[name]] for name in inputs.models},
        "described": {name: model.description for name, model in inputs.models.items()},
        "trained": {name: model.metrics for name, model in inputs.models.items()},
        "sections": {name: wording.settings(config[name]) for name in whole} | {"retrain": differs},
    }


def _learning(inputs: Inputs) -> Fields:
    return {
        "loss_curves": figures.history_curves(inputs.models, "loss", "Loss (nats)"),
        "accuracy_curves": figures.history_curves(inputs.models, "accuracy", "Accuracy"),
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
