"""Measure models on the test split, as their task asks for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from sprout.data.store import Array, Store
from sprout.evaluate.judged import judged_by
from sprout.evaluate.ranges import Model, outcomes_of
from sprout.evaluate.tested_on import CROSS_VALIDATION, TEST
from sprout.models.card import OUT_OF_FOLD
from sprout.runtime.engine import Engine
from sprout.runtime.files import write_json
from sprout.tasks.interfaces import Limits

Models = Mapping[str, Model]
"""Teacher, control if there is one, and student, of one task; where no student was trained, a copy of the teacher."""


class Tested(NamedTuple):
    """Examples that no model has learned from, with what each model gives for them."""

    split: str
    """TEST, or CROSS_VALIDATION: the labels, each by models that have not learned from it."""
    store: Store
    outcomes: dict[str, Array]
    """By model, as `Task.outcomes` returns them."""


def examine(models: Models, test: Store, prepared: Path, engine: Engine) -> Tested:
    """Examine all models on test; without test examples take what cross-validation has found, if there are folds.

    Args:
        models: all models; a student that is a copy of another one is computed once.
        test: the test split.
        prepared: the folder of the stage `prepare`.
        engine: where many examples are examined.

    Raises:
        UserError: the machines of a cluster cannot examine them.
    """
    if not len(test) and all((model.folder / OUT_OF_FOLD).exists() for model in models.values()):
        judged = {role: judged_by(model, prepared, engine, role) for role, model in models.items()}
        return Tested(CROSS_VALIDATION, judged["student"].store, {role: each.outcomes for role, each in judged.items()})
    return examine_on(models, test, engine)


def examine_on(models: Models, test: Store, engine: Engine) -> Tested:
    """Examine all models on the test split."""
    outcomes: dict[str, Array] = {}
    for role, model in models.items():
        same = outcomes.get(model.predictor.card.kept or "")
        outcomes[role] = outcomes_of(model, test, engine, f"test: {role}") if same is None else same
    return Tested(TEST, test, outcomes)


def evaluate(
    folder: Path,
    models: Models,
    tested: Tested,
    limits: Limits,
    pseudo_labels: dict[str, Any],
    kept: str | None,
) -> dict[str, Any]:
    """Write the metrics, the predictions and whatever else the task has; return the metrics.

    Args:
        folder: an empty folder.
        models: all models.
        tested: what they give for examples that they have not learned from.
        limits: bins of the calibration curve, and images that are kept for the report.
        pseudo_labels: by labeller what is known of the labels that it gave the pool, see `in_short`.
        kept: the model that is handed on in the student's place; None for the student itself.
    """
    predictors = {role: model.predictor for role, model in models.items()}
    found = {
        role: model.task.metrics(tested.outcomes[role], model.card, tested.store, limits.bins)
        for role, model in predictors.items()
    }
    metrics = {tested.split: found, "pseudo_labels": pseudo_labels, "handed_on": kept or "student"}
    write_json(folder / "metrics.json", metrics)
    task = predictors["student"].task
    table = task.write_evaluation(folder, predictors, tested.store, tested.outcomes, limits)
    pq.write_table(table, folder / "predictions.parquet", compression="zstd")
    return metrics
