"""Assemble the page and write it: one file that needs no other file, no script and no network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sprout.report import figures, formatting, tables
from sprout.report.explanations import contents, explanation_fields
from sprout.report.inputs import SPLITS, Inputs, read_inputs
from sprout.report.pool_notes import left_out, pool_notes
from sprout.runtime.files import atomic_write
from sprout.runtime.model_folder import read_card
from sprout.tasks import task_named
from sprout.tasks.base import Task

if TYPE_CHECKING:
    from sprout.report.made import Made

Fields = dict[str, Any]
"""What a template reads, by name."""
TRAININGS = {"teacher": "train", "control": "retrain", "student": "retrain"}
"""The section with the training of each model; the control's method is supervised."""
FORMATS: dict[str, Callable[[float | None], str]] = {
    "share": formatting.percent,
    "decimal": formatting.decimal,
    "compact": formatting.compact,
    "count": formatting.count,
}
"""By `Score.format`."""
NO_STUDENT = "Self-training needs classes, so there is no student: this page shows the teacher."


def write_report(
    out: Path,
    *,
    made: "Made",
    config: dict[str, Any],
    build: str,
    prepared: Path,
    augmented: Path,
    pseudo_labels: Path,
    models: Path,
    evaluation: Path,
    examples: int,
) -> str:
    """Write the page to `out`, and return its headline. The same inputs and the same `made` give the same bytes.

    Args:
        out: the page, index.html; its folder is made.
        made: when and where it is made, which no other argument says.
        config: the composed configuration, one nested dict per section.
        build: hash of the build, as in the name of its runs.
        prepared: folder of the stage `prepare`; the stores `unlabelled` and `test` hold the examples shown.
        augmented: folder of the stage `augment`.
        pseudo_labels: folder of the stage `pseudo_label`.
        models: folder of the models; that of the control may hold no model.
        evaluation: folder of the stage `evaluate`.
        examples: shown in each gallery; 0 for none.

    Raises:
        FileNotFoundError: an earlier stage has not written a file.
        UserError: a model card, or a store that examples are taken from, is damaged.
    """
    task = task_named(read_card(models / "teacher")["task"])
    inputs = read_inputs(prepared, pseudo_labels, models, evaluation, target=task.column or "label")
    template, of_task = environment().get_template("page.html.j2"), _task(task, inputs, prepared, examples)
    explained = explanation_fields(inputs, prepared, augmented, examples)
    page = template.render(
        made=made,
        **_run(task, inputs, config, build),
        **_data(task, inputs),
        **_models(task, inputs, config),
        **of_task | {"contents": of_task["contents"] | contents(explained)},
        **explained,
    )
    with atomic_write(out) as beside:
        beside.write_text(page, encoding="utf-8", newline="\n")
    headline: str = of_task["headline"]
    return headline


def environment(*packages: str) -> Environment:
    """The templates of the report, and of further packages, with the filters that they use."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "") for package in ("sprout.report", *packages)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (formatting.percent, formatting.decimal, formatting.compact, formatting.count, formatting.signed)
    made.filters.update({each.__name__: each for each in (*functions, formatting.plural)})
    made.filters["metric"] = _metric
    return made


def _metric(value: float | None, form: str, digits: int) -> str:
    """A metric as `Score.format` says; `digits` are those of percentages."""
    return formatting.percent(value, digits) if form == "share" else FORMATS[form](value)


def _run(task: type[Task], inputs: Inputs, config: Mapping[str, Any], build: str) -> Fields:
    return {
        "experiment": config["experiment"],
        "build": build,
        "settings": formatting.settings(config),
        "single": len(inputs.models) == 1,
        "gate": inputs.gate,
        "shown": inputs.shown,
        "kept": inputs.kept,
        "has_pseudo_labels": task.has_pseudo_labels,
    }


def _data(task: type[Task], inputs: Inputs) -> Fields:
    return {
        "summary": inputs.summary,
        "notes": [
            *inputs.summary["notes"],
            *left_out(inputs.foreign.compared),
            *(pool_notes(inputs.pool) if inputs.pool else []),
        ],
        "quarantined": inputs.quarantined,
        "classes": inputs.classes,
        "sizes": {split: len(inputs.labels[split]) for split in SPLITS},
        "targets": inputs.targets,
        "numbers": task.target == "number",
        "class_counts": tables.class_counts(inputs.labels, len(inputs.classes)),
    }


def _models(task: type[Task], inputs: Inputs, config: Mapping[str, Any]) -> Fields:
    return {
        "models": list(inputs.models),
        "cards": {role: model.card for role, model in inputs.models.items()},
        "trained": {role: model.training for role, model in inputs.models.items()},
        "trainings": {role: config[TRAININGS[role]] for role in inputs.models},
        "sections": _sections(config, task.has_pseudo_labels),
        "comparisons": tables.comparisons(task.scores, inputs.models, None if inputs.crossed else inputs.test),
        "folds": inputs.summary["folds"],
        "noun": inputs.noun,
        "judged": inputs.judged,
        "crossed": inputs.crossed,
        "curves": _curves(task, inputs),
        "in_epochs": all(model.training.get("epochs") for model in inputs.models.values()),
    }


def _sections(config: Mapping[str, Any], has_student: bool) -> dict[str, list[tuple[str, str]]]:
    """The settings of each section that makes a model; of `retrain` those that differ from `train`."""
    shown = ("model", "augment", "train", *(["pseudo_label"] if has_student else []))
    sections = {name: formatting.settings(config[name]) for name in shown}
    if has_student:
        train = dict(sections["train"])
        retrain = formatting.settings(config["retrain"])
        sections["retrain"] = [(key, value) for key, value in retrain if train.get(key) != value]
    return sections


def _curves(task: type[Task], inputs: Inputs) -> dict[str, Markup]:
    """The learning curves, by title; empty where a model was not trained in epochs."""
    shares = {score.key for score in task.scores if score.format == "share"}
    return {
        title: figures.history_curves(inputs.models, column, label, percent=column in shares)
        for column, title, label in task.curves
        if all(f"train_{column}" in model.history for model in inputs.models.values())
    }


def _task(task: type[Task], inputs: Inputs, prepared: Path, examples: int) -> Fields:
    """What the task's page returns, with a default for every field of `report.pages` that it leaves out."""
    fields = _defaults(task, inputs) | task.page(inputs, prepared, examples)
    if not task.has_pseudo_labels:
        fields["explanation"] = f"{fields['explanation']} {NO_STUDENT}"
    return fields


def _defaults(task: type[Task], inputs: Inputs) -> Fields:
    first, tested = task.scores[0], inputs.predictions.num_rows
    values = " → ".join(FORMATS[first.format](inputs.test[role][first.key]) for role in inputs.models)
    better = "higher" if first.higher_is_better else "lower"
    labelled, unlabelled = len(inputs.labels["train"]), len(inputs.labels["unlabelled"])
    return {
        "template": None,
        "contents": {},
        "what": f"A model of the task {task.name}, from {formatting.plural(labelled, 'training example')} and "
        f"{formatting.plural(unlabelled, 'unlabelled example')}.",
        "headline": f"{first.name} {values}" + (f" ({' → '.join(inputs.models)})" if inputs.rival else ""),
        "explanation": f"Measured on {formatting.plural(tested, 'test example')}; {better} is better.",
        "meaning": task.meaning or "",
        "methods": "",
        "tested": tested,
        "digits": 1,
        "intervals": {},
        "model_rows": {},
    }
