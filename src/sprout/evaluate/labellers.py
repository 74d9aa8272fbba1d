"""Who gave the unlabelled examples their labels, and which ones.

The labeller of each round of pseudo-labels did, the first of which is the teacher; and the student, where its method
learned from the pool itself. The labeller of such a training changes from step to step: what is audited is the last
one, the student.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.config.train import GradientDescent, Training
from sprout.data.foreign import Foreign
from sprout.data.store import Array, Store, class_indices, open_store
from sprout.evaluate.audit import AUDIT, BY_EPOCH, Labels, audit, by_epoch, decide, in_short
from sprout.evaluate.judged import judged_by
from sprout.methods.base import POOL_LABELS, POOL_ROWS
from sprout.models.card import ModelCard
from sprout.models.predictor import Predictor
from sprout.runtime.files import scratch_folder, write_rows
from sprout.runtime.stage import SCRATCH

POOL = {
    "labeller": pa.string(),
    "row": pa.int64(),
    "predicted": pa.int64(),
    "confidence": pa.float32(),
    "threshold": pa.float32(),
    "accepted": pa.bool_(),
    "label": pa.int64(),
}
"""Columns of `pool.parquet`: see `Labels`; `label` is the true class, null where it is not known."""
RECORDED = ("predicted", "confidence", "threshold", "accepted")
"""Those that the stage `pseudo_label` has recorded."""


@dataclass(frozen=True)
class Labelling:
    """What one labeller says of the pool, and of val at the same thresholds."""

    pool: Labels
    val: Labels
    by_epoch: Sequence[dict[str, Any]] = ()
    """Rows of `labels_by_epoch.csv`, where a training gave the labels."""


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


def labellings(
    models: Mapping[str, Predictor],
    folders: Mapping[str, Path],
    prepared: Path,
    pseudo_labels: Path,
    retrain: Training,
) -> dict[str, Labelling]:
    """The labels of each round, and those of the student, by labeller; without those who gave none.

    Args:
        models: the student itself among others, or a copy of the teacher where none was trained.
        folders: the model folder of each.
        prepared: folder of the stage `prepare`.
        pseudo_labels: folder of the stage `pseudo_label`.
        retrain: the student's settings.
    """
    if not models["student"].task.has_pseudo_labels or not len((examples := Unlabelled.open(prepared)).pool):
        return {}
    found = of_rounds(examples, pseudo_labels)
    others = Foreign.read(pseudo_labels).others(len(examples.pool))
    student = of_student(models["student"], folders["student"], examples, retrain, others)
    return found if student is None else found | {"student": student}


def of_rounds(examples: Unlabelled, pseudo_labels: Path) -> dict[str, Labelling]:
    """What the stage `pseudo_label` has recorded of each round, by labeller."""
    table = pq.read_table(pseudo_labels / "predictions.parquet")
    val = class_indices(open_store(examples.prepared / "val").labels)
    return {
        name: Labelling(recorded(table, name, "unlabelled", examples.truth), recorded(table, name, "val", val))
        for name in pc.unique(table["labeller"]).to_pylist()
    }


def recorded(table: pa.Table, name: str, split: str, true: Array) -> Labels:
    """The labels of a labeller for a split.

    Args:
        table: `predictions.parquet`.
        name: of the labeller.
        split: unlabelled or val.
        true: (N,) int, the classes of the split; −1 where it is not known.
    """
    rows = table.filter((pc.field("labeller") == name) & (pc.field("split") == split))
    predicted, confidence, threshold, accepted = (rows[column].to_numpy() for column in RECORDED)
    return Labels(predicted, confidence, threshold, accepted, true)


def of_student(
    student: Predictor, model: Path, examples: Unlabelled, retrain: Training, learned: Array
) -> Labelling | None:
    """What the student would label; None where none was trained, or its method labels nothing.

    The confidence is not calibrated, as in training. Unlike there it is that of the examples as they are, and it is
    not aligned to the shares of the classes. Of what it has not learned from, nothing is accepted.

    Args:
        student: a model.
        model: its folder.
        examples: the pool.
        retrain: its settings.
        learned: (n,) the rows of the pool that it has learned from.
    """
    if student.card.kept or not isinstance(retrain, GradientDescent) or not retrain.method.learns_from_pool:
        return None
    raw = replace(student.card, temperature=None)
    judged = judged_by(model, student, examples.prepared, "val: student")
    of_val = student.task.predictions(judged.examined, raw)
    with scratch_folder(SCRATCH) as scratch:
        of_pool = mapped_predictions(student, raw, examples.pool, scratch / "pool")
        cutoffs = retrain.method.cutoffs(of_pool if len(learned) == len(of_pool) else of_pool[learned])
        if cutoffs is None:
            return None
        in_pool = decide(of_pool, cutoffs, examples.truth)
        in_pool.accepted[np.delete(np.arange(len(of_pool)), learned)] = False
    return Labelling(
        in_pool, decide(of_val, cutoffs, class_indices(judged.store.labels)), epochs_of(model, examples.truth)
    )


def mapped_predictions(model: Predictor, card: ModelCard, store: Store, path: Path) -> Array:
    """The probabilities of a store of one example at least, (N, K) float32, mapped from a file.

    Those of ten million examples and a thousand classes are 40 GB: memory holds those of a batch.

    Args:
        model: a classifier.
        card: its card, or one with another temperature.
        store: the examples.
        path: the new file.
    """
    with path.open("wb") as file:
        for rows in model.batches(store, f"pool: {card.role}"):
            file.write(model.task.predictions(model.outputs(store.take(rows)), card).data)
    return np.asarray(np.memmap(path, np.float32, "c")).reshape(len(store), -1)


def epochs_of(model: Path, truth: Array) -> list[dict[str, Any]]:
    """Rows of `labels_by_epoch.csv` for a model folder; none where its method records no labels.

    Args:
        model: the folder.
        truth: (N,) int, of the whole pool; −1 where it is not known.
    """
    labels, rows = (model / f"{name}.npy" for name in (POOL_LABELS, POOL_ROWS))
    if not labels.exists():
        return []
    return by_epoch(np.load(labels, allow_pickle=False), truth[np.load(rows, allow_pickle=False)])


def write_audit(folder: Path, found: Mapping[str, Labelling], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Write `audit.csv`, `labels_by_epoch.csv` and `pool.parquet`; return the numbers in short by labeller."""
    rows = [{"labeller": role, **row} for role, one in found.items() for row in audit(one.pool, one.val, classes)]
    write_rows(folder / "audit.csv", ["labeller", *AUDIT], rows)
    write_rows(folder / "labels_by_epoch.csv", BY_EPOCH, [row for one in found.values() for row in one.by_epoch])
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
        "accepted": labels.accepted,
        "label": pa.array(labels.true, pa.int64(), mask=labels.true < 0),
    }
    return pa.table({name: pa.array(values, POOL[name]) for name, values in columns.items()})
