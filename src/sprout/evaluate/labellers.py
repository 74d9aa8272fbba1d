"""Who gave the unlabelled examples their labels, and which ones.

The labeller of each round of pseudo-labels did, the first of which is the teacher; and the student, where its method
learned from the pool itself. The labeller of such a training changes from step to step: what is audited is the last
one, the student.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.config.cluster import Cluster
from sprout.config.train import GradientDescent, Training
from sprout.data.foreign import Foreign
from sprout.data.store import Array, Store, class_indices, open_store
from sprout.evaluate.audit import AUDIT, BY_EPOCH, Labels, audit, by_epoch, decide, in_short
from sprout.evaluate.judged import judged_by
from sprout.evaluate.ranges import Model, batches, over_ranges
from sprout.methods.base import POOL_LABELS, POOL_ROWS
from sprout.models.predictor import Predictor
from sprout.runtime.engine import Engine
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
BLOCK = 1_000
"""Rows that are copied at once."""
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
    model: Model, prepared: Path, pseudo_labels: Path, retrain: Training, cluster: Cluster
) -> dict[str, Labelling]:
    """The labels of each round, and those of the student, by labeller; without those who gave none.

    Args:
        model: the student itself, or a copy of the teacher where none was trained.
        prepared: folder of the stage `prepare`.
        pseudo_labels: folder of the stage `pseudo_label`.
        retrain: the student's settings.
        cluster: where many examples are examined.

    Raises:
        UserError: the machines of a cluster cannot examine them.
    """
    if not model.predictor.task.has_pseudo_labels or not len((examples := Unlabelled.open(prepared)).pool):
        return {}
    found = of_rounds(examples, pseudo_labels)
    learned = Foreign.read(pseudo_labels).others(len(examples.pool))
    student = of_student(model, examples, retrain, learned, cluster)
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
    model: Model, examples: Unlabelled, retrain: Training, learned: Array, cluster: Cluster
) -> Labelling | None:
    """What the student would label; None where none was trained, or its method labels nothing.

    The confidence is not calibrated, as in training. Unlike there it is that of the examples as they are, and it is
    not aligned to the shares of the classes. Of what it has not learned from, nothing is accepted.

    Args:
        model: the student.
        examples: the pool.
        retrain: its settings.
        learned: (n,) the rows of the pool that it has learned from; one at least.
        cluster: where many examples are examined.
    """
    card = model.predictor.card
    if card.kept or not isinstance(retrain, GradientDescent) or not retrain.method.learns_from_pool:
        return None
    judged = judged_by(model, examples.prepared, cluster.start(), "val: student")
    with scratch_folder(cluster.shared(SCRATCH)) as scratch:
        of_pool = mapped_predictions(model, examples.pool, scratch / "pool", cluster.start())
        cutoffs = retrain.method.cutoffs(mapped_rows(of_pool, learned, scratch / "learned"))
        if cutoffs is None:
            return None
        predicted, confidence = most_probable(of_pool)
    of_val, known = judged.outcomes, class_indices(judged.store.columns("label"))
    in_pool = decide(predicted, confidence, cutoffs, examples.truth)
    in_pool.accepted[np.delete(np.arange(len(predicted)), learned)] = False
    return Labelling(
        in_pool,
        decide(of_val["raw_predicted"].astype(np.int64), of_val["raw_confidence"].copy(), cutoffs, known),
        epochs_of(model.folder, examples.truth),
    )


def mapped_predictions(model: Model, store: Store, path: Path, engine: Engine) -> Array:
    """The probabilities of a store of one example at least, not calibrated, (N, K) float32, mapped from a file.

    Those of ten million examples and a thousand classes are 40 GB: memory holds those of a batch.

    Args:
        model: a classifier.
        store: the examples.
        path: the new file, in a folder of all machines that compute.
        engine: where many are computed.

    Raises:
        UserError: the machines of a cluster cannot compute them.
    """
    path.touch()
    write = partial(write_range, path=path.absolute())
    for _ in over_ranges(write, model, store, engine, f"pool: {model.predictor.card.role}"):
        pass
    return np.asarray(np.memmap(path, np.float32, "c")).reshape(len(store), -1)


def mapped_rows(found: Array, rows: Array, path: Path) -> Array:
    """These rows of an array, mapped from a new file; the array itself where they are all: (N, K), (n,) → (n, K)."""
    if len(rows) == len(found):
        return found
    mapped = np.memmap(path, found.dtype, "w+", shape=(len(rows), found.shape[1]))
    for start in range(0, len(rows), BLOCK):
        mapped[start : start + BLOCK] = found[rows[start : start + BLOCK]]
    return np.asarray(mapped)


def write_range(model: Predictor, store: Store, start: int, stop: int, *, path: Path) -> None:
    """Write the probabilities of a range to their place in the file. Writing it again gives the same bytes."""
    raw = replace(model.card, temperature=None)
    with path.open("r+b") as file:
        file.seek(start * len(model.classes) * np.dtype(np.float32).itemsize)
        for rows in batches(model, store, start, stop):
            file.write(model.task.predictions(model.outputs(store.take(rows)), raw).data)


def most_probable(probabilities: Array) -> tuple[Array, Array]:
    """The class of each row of (N, K) probabilities, (N,) int64, and its probability, (N,)."""
    return probabilities.argmax(axis=1), probabilities.max(axis=1)


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
