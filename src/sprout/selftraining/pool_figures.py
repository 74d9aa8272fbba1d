"""What teacher and student make of the unlabelled pool, in figures; `report.pool_notes` says what they mean."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.data.dataset import Examples
from sprout.data.store import Array, Store
from sprout.models.predictor import Predictor, load_predictor, max_batch
from sprout.runtime.files import read_rows
from sprout.runtime.progress import track

MOST = 10_000
"""Examples of the pool that are looked at: enough for a share of 1%."""


@dataclass(frozen=True)
class PoolFigures:
    """The content of `pool.json`."""

    classes: list[str]
    """K names."""
    examples: int
    """How many of those that the student has learned from were looked at."""
    kept_share: float | None
    """The share of predictions that counted in the student's last epoch; None where it did not learn from the pool."""
    labels: int
    """Labelled examples."""
    label_shares: list[float]
    """(K,) of each class among the labels."""
    predicted_shares: list[float]
    """(K,) of each class among the student's predictions."""
    val: int
    """Examples of val, or with cross-validation labelled ones."""
    noun: str
    """What these are called."""
    confidence_on_val: float
    """The teacher's on these, on average."""
    confidence_on_pool: float
    confidence_spread: float
    """Its standard deviation on the pool."""


def pool_figures(
    student: Path, teacher: Path, labelled: Examples, pool: Store, learned: Array, on_val: Array, noun: str
) -> PoolFigures:
    """Let both models predict examples of the pool.

    Args:
        student: the model folder.
        teacher: the same.
        labelled: the training examples with their classes.
        pool: the unlabelled examples.
        learned: (n,) the rows of these that the student has learned from; one at least.
        on_val: (V,) the teacher's confidence on val, or with cross-validation on the labels, out of fold.
        noun: what these examples are called.
    """
    first, last = load_predictor(teacher), load_predictor(student)
    rows, count = learned[evenly_spaced(len(learned))], len(last.classes)
    on_pool, predicted = (
        np.concatenate([reduce(batch, axis=1) for batch in predictions(model, pool, rows)])
        for model, reduce in ((first, np.max), (last, np.argmax))
    )
    return PoolFigures(
        last.classes,
        len(rows),
        kept_share(student / "history.csv"),
        len(labelled.targets),
        shares(labelled.targets, count),
        shares(predicted, count),
        len(on_val),
        noun,
        float(on_val.mean()),
        float(on_pool.mean()),
        float(on_pool.std()),
    )


def evenly_spaced(count: int) -> Array:
    """At most `MOST` of so many rows: (n,) int64."""
    return np.arange(count) if count <= MOST else np.linspace(0, count - 1, MOST).astype(np.int64)


def predictions(model: Predictor, store: Store, rows: Array) -> Iterator[Array]:
    """The calibrated probabilities of these rows, batch by batch: (n, K) each; many classes would take gigabytes."""
    batches = np.array_split(rows, math.ceil(len(rows) / max_batch(model.network, store.shape)))
    shown = track(batches, f"pool: {model.card.role}", len(batches))
    return (model.predict(store.take(batch)) for batch in shown)


def shares(classes: Array, count: int) -> list[float]:
    """The share of each of `count` classes: (n,) class indices → (count,)."""
    found: list[float] = (np.bincount(classes, minlength=count) / max(1, len(classes))).tolist()
    return found


def kept_share(history: Path) -> float | None:
    """The last value of the column in a model's history; None without it."""
    rows = read_rows(history)
    value = rows[-1].get("kept_share") if rows else None
    return float(value) if value else None
