"""Put the page together and write it: it needs no other file, no script and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sprout.report import figures, tables, wording
from sprout.report.classification import classification
from sprout.report.clustering import clustering
from sprout.report.inputs import SPLITS, Inputs, read_inputs
from sprout.report.reconstruction import reconstruction
from sprout.report.regression import regression
from sprout.runtime.files import atomic_write

Fields = dict[str, Any]
TRAININGS = {"teacher": "train", "student": "retrain"}
"""The section with each model's training."""
PAGES = {
    "classify": classification,
    "regress": regression,
    "reconstruct": reconstruction,
    "cluster": clustering,
}
"""What only the page of this task shows."""
MEANINGS = {
    "regress": "Errors in the unit of the predicted number; the squared one weighs large errors more. R²: the share of "
    "the variance of the true values that the predictions account for, 1 is best.",
    "reconstruct": "Of pixels in 0..1. Noise left: the error of the output as a share of that of the input; 0 is best.",
    "cluster": "Inertia: mean squared distance to the nearest centre. Purity: the share of examples that have the "
    "commonest class of their cluster; many small clusters are pure for free. Normalised mutual information: 0 where "
    "cluster and class have nothing to do with each other, 1 where one tells the other.",
}
"""What the scores mean; of a classifier the template says it, with its interval."""
CURVES = {
    "classify": (("loss", "Loss", "Loss (nats)"), ("accuracy", "Accuracy", "Accuracy")),
    "regress": (("loss", "Loss", "Loss"), ("mae", "Mean absolute error", "Mean absolute error")),
    "reconstruct": (("loss", "Loss", "Loss"),),
    "cluster": (("loss", "Loss", "Loss (nats)"),),
}
"""By task: the column of the history, its name, and the label of the axis."""


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
        examples: shown in each gallery; 0 for none.

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
        task=inputs.task,
        meaning=MEANINGS.get(inputs.task),
        measures=tables.comparison(inputs.task, inputs.models, inputs.scores["test"]),
        **_built(inputs, config),
        curves=_curves(inputs),
        **PAGES[inputs.task](inputs, prepared, examples),
        settings=wording.settings(config),
    )
    with atomic_write(out) as beside:
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


def _built(inputs: Inputs, config: Mapping[str, Any]) -> Fields:
    train, retrain = dict(wording.settings(config["train"])), dict(wording.settings(config["retrain"]))
    student = inputs.task == "classify"
    whole = ("model", "augment", "train", *(["pseudo_label"] if student else []))
    differs = [(key, value) for key, value in retrain.items() if train.get(key) != value]
    return {
        "summary": inputs.summary,
        "faulty": inputs.faulty,
        "sizes": {split: len(inputs.labels[split]) for split in SPLITS},
        "known": inputs.known,
        "class_counts": tables.class_counts(inputs.labels, len(inputs.classes)),
        "trainings": {name: config[TRAININGS[name]] for name in inputs.models},
        "described": {name: model.description for name, model in inputs.models.items()},
        "trained": {name: model.metrics for name, model in inputs.models.items()},
        "sections": {name: wording.settings(config[name]) for name in whole}
        | ({"retrain": differs} if student else {}),
    }


def _curves(inputs: Inputs) -> dict[str, Markup]:
    """The learning curves, by what they show; none of a model that was not trained in epochs."""
    return {
        title: figures.history_curves(inputs.models, quantity, label)
        for quantity, title, label in CURVES[inputs.task]
        if all(f"val_{quantity}" in model.history for model in inputs.models.values())
    }
