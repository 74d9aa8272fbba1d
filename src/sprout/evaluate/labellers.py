"""Who gave the unlabelled examples their labels, and which ones.

The teacher did, where its predictions became labels; and the student, where its method learned from the pool itself.
The labeller of such a training changes from step to step: what is audited is the last one, the student that is kept.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.train import GradientDescent, Training
from sprout.data.store import Array, Store, class_indices, open_store, read_labels
from sprout.evaluate.audit import AUDIT, Labels, audit, decide, in_short
from sprout.evaluate.judged import judged_by
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_rows

POOL = {
    "labeller": pa.string(),
    "row": pa.int64(),
    "predicted": pa.int64(),
    "confidence": pa.float32(),
    "threshold": pa.float32(),
    "round": pa.int64(),
    "label": pa.int64(),
}
"""Columns of `pool.parquet`: see `Labels`; `label` is the true class, null where it is not known."""


@dataclass(frozen=True)
class Labelling:
    """What one labeller says of the pool, and of val at the same thresholds."""

    pool: Labels
    val: Labels


@dataclass(frozen=True)
class Said:
    """What a model says of the pool, and of examples whose class is known and that it has not learned from."""

    pool: Array
    """(N, K) probabilities."""
    val: Array
    """(V, K) the same of val, or with cross-validation of the labels, out of fold."""
    labels: Array
    """(V,) int, their classes; −1 where it is not known."""


@dataclass(frozen=True)
class Unlabelled:
    """The pool, with what is known of its classes."""

    prepared: Path
    pool: Store
    truth: Array
    """(N,) int, the withheld class of each example of the pool; −1 where there is none."""

    @classmethod
    def open(cls, prepared: Path) -> "Unlabelled":
        """Read it from the folder of the stage `prepare`."""
        truth = class_indices(pq.read_table(prepared / "truth.parquet"))
        return cls(prepared, open_store(prepared / "unlabelled"), truth)

    def labelled(self, said: Said, thresholds: Array) -> Labelling:
        """Accept what reaches the thresholds, (R, K), in the pool and in val."""
        return Labelling(decide(said.pool, thresholds, self.truth), decide(said.val, thresholds, said.labels))

    def asked(self, model: Predictor, folder: Path) -> Said:
        """Ask the model of a folder."""
        judged = judged_by(folder, model, self.prepared, f"val: {model.card.role}")
        of_pool = model.outputs_of(self.pool, f"pool: {model.card.role}")
        return Said(
            pool=model.task.predictions(of_pool, model.card),
            val=model.task.predictions(judged.examined, model.card),
            labels=class_indices(judged.store.labels),
        )


def labellings(
    models: Mapping[str, Predictor],
    folders: Mapping[str, Path],
    prepared: Path,
    pseudo_labels: Path,
    retrain: Training,
) -> dict[str, Labelling]:
    """The labels of the teacher, and those of the student; without those who gave none.

    Args:
        models: teacher and student.
        folders: the model folder of each.
        prepared: folder of the stage `prepare`.
        pseudo_labels: folder of the stage `pseudo_label`.
        retrain: the student's settings.
    """
    if not models["teacher"].task.has_pseudo_labels or not len((examples := Unlabelled.open(prepared)).pool):
        return {}
    found = {
        "teacher": of_teacher(models["teacher"], folders["teacher"], examples, pseudo_labels),
        "student": of_student(models["student"], folders["student"], examples, retrain),
    }
    return {role: labelling for role, labelling in found.items() if labelling is not None}


def of_teacher(teacher: Predictor, model: Path, examples: Unlabelled, pseudo_labels: Path) -> Labelling | None:
    """The teacher's pseudo-labels; None where no round was held.

    Val is asked at the threshold of each round. Where `per_class` has left out predictions that reach it, those that
    were accepted are the more confident ones.
    """
    with (pseudo_labels / "rounds.csv").open(encoding="utf-8", newline="") as file:
        thresholds = [float(row["threshold"]) for row in csv.DictReader(file)]
    if not thresholds:
        return None
    of_class = np.repeat(np.array(thresholds)[:, None], len(teacher.classes), axis=1)
    labelling = examples.labelled(examples.asked(teacher, model), of_class)
    return replace(labelling, pool=as_accepted(labelling.pool, read_labels(pseudo_labels)))


def as_accepted(pool: Labels, accepted: pa.Table) -> Labels:
    """The labels of the pool with those that a label table holds as the accepted ones."""
    rows, round_ = accepted["row"].to_numpy(), np.zeros_like(pool.round)
    predicted, confidence = pool.predicted.copy(), pool.confidence.copy()
    round_[rows], predicted[rows] = accepted["round"].to_numpy(), class_indices(accepted)
    confidence[rows] = accepted["confidence"].to_numpy()
    return replace(pool, round=round_, predicted=predicted, confidence=confidence)


def of_student(student: Predictor, model: Path, examples: Unlabelled, retrain: Training) -> Labelling | None:
    """What the student that is kept would label; None where another model is kept, or its method labels nothing.

    The confidence is not calibrated, as in training. Unlike there it is that of the examples as they are, and it is
    not aligned to the shares of the classes.
    """
    if student.card.kept or not isinstance(retrain, GradientDescent) or not retrain.method.learns_from_pool:
        return None
    raw = Predictor(student.network, replace(student.card, temperature=None))
    said = examples.asked(raw, model)
    cutoffs = retrain.method.cutoffs(said.pool)
    return None if cutoffs is None else examples.labelled(said, cutoffs[None])


def write_audit(folder: Path, found: Mapping[str, Labelling], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Write `audit.csv` and `pool.parquet`; return the numbers in short by labeller."""
    rows = [{"labeller": role, **row} for role, one in found.items() for row in audit(one.pool, one.val, classes)]
    write_rows(folder / "audit.csv", ["labeller", *AUDIT], rows)
    tables = [pa.schema(POOL).empty_table(), *(pool_table(role, one.pool) for role, one in found.items())]
    pq.write_table(pa.concat_tables(tables), folder / "pool.parquet", compression="zstd")
    return {role: in_short(one.pool, one.val) for role, one in found.items()}


def pool_table(labeller: str, labels: Labels) -> pa.Table:
    """The rows of `pool.parquet` of a labeller."""
    count = len(labels.predicted)
    columns = {
        "labeller": [labeller] * count,
        "row": np.arange(count),
        "predicted": labels.predicted,
        "confidence": labels.confidence,
        "threshold": labels.threshold,
        "round": labels.round,
        "label": pa.array(labels.true, pa.int64(), mask=labels.true < 0),
    }
    return pa.table({name: pa.array(values, POOL[name]) for name, values in columns.items()})
