"""What a model says of a whole split, range by range: the predicted class of each row, and its confidence.

No process holds the probabilities of all rows. Alignment needs them twice, and reads them from files.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sprout.data.store import Array, Store
from sprout.evaluate.ranges import Model, batches, over_ranges
from sprout.models.predictor import Predictor
from sprout.runtime.engine import Engine
from sprout.runtime.files import name_beside
from sprout.runtime.progress import track
from sprout.selftraining.selection import scaled

KEPT = "[0-9]" * 12
"""The pattern of the names of the files of kept probabilities."""
BLOCK_BYTES = 4 << 20
"""Of kept probabilities that are read at once."""


class Scores(NamedTuple):
    """What the selection needs of N predictions."""

    predicted: Array
    """(N,) the most probable class, in the smallest unsigned integers that hold K classes."""
    confidence: Array
    """(N,) float32, its probability."""
    total: Array
    """(K,) float64, the sum of the probabilities over the rows."""


def score(model: Model, store: Store, engine: Engine, what: str, kept: Path | None = None) -> Scores:
    """Score a store, which may be empty, in its order.

    Args:
        model: a classifier.
        store: the examples.
        engine: where many are scored.
        what: shown beside the progress.
        kept: a folder, which is made, for the probabilities, a file for each range; None keeps none.

    Raises:
        UserError: the machines of a cluster cannot score them.
    """
    if kept:
        kept.mkdir()
    compute = partial(score_range, kept=kept and kept.absolute())
    return joined(over_ranges(compute, model, store, engine, what), len(model.predictor.classes))


def score_range(model: Predictor, store: Store, start: int, stop: int, *, kept: Path | None) -> Scores:
    """Score the rows of a range of a store, with as many threads as this process has.

    Args:
        model: a classifier.
        store: the examples.
        start: the first row.
        stop: the row after the last one.
        kept: the folder for the probabilities, which gets a file of (stop − start, K) float32; None keeps none.
    """
    found = (model.predict(store.take(rows)) for rows in batches(model, store, start, stop))
    if not kept:
        return joined(map(of_batch, found), len(model.classes))
    path = kept / f"{start:012}"
    beside = name_beside(path)  # a machine that is lost leaves no file that looks complete
    scores = joined(map(of_batch, written(found, beside)), len(model.classes))
    beside.replace(path)
    return scores


def written(batches: Iterable[Array], path: Path) -> Iterator[Array]:
    """Yield arrays, each after its bytes have been written to the end of a new file."""
    with path.open("wb") as file:
        for batch in batches:
            file.write(batch.data)
            yield batch


def align(kept: Path, scales: Array, what: str) -> Scores:
    """The scores of a store after alignment.

    Args:
        kept: the folder in which `score` has kept the probabilities.
        scales: (K,) of each class, see `class_scales`.
        what: shown beside the progress.
    """
    files = sorted(kept.glob(KEPT))
    return joined((align_range(file, scales) for file in track(files, what, len(files))), len(scales))


def align_range(kept: Path, scales: Array) -> Scores:
    """The scores of a range after alignment: the file of its probabilities, (K,) float64 → scores."""
    found = np.memmap(kept, np.float32, "r").reshape(-1, len(scales))
    rows = max(1, BLOCK_BYTES // (found.itemsize * len(scales)))
    blocks = (scaled(found[start : start + rows], scales) for start in range(0, len(found), rows))
    return joined(map(of_batch, blocks), len(scales))


def of_batch(found: Array) -> Scores:
    """The scores of (n, K) probabilities."""
    kind = np.min_scalar_type(found.shape[1] - 1)
    return Scores(found.argmax(axis=1).astype(kind), found.max(axis=1), found.sum(axis=0, dtype=np.float64))


def joined(parts: Iterable[Scores], classes: int) -> Scores:
    """The scores of all parts, in their order; there may be none."""
    predicted, confidence = [np.empty(0, np.min_scalar_type(classes - 1))], [np.empty(0, np.float32)]
    total = np.zeros(classes)
    for part in parts:
        predicted.append(part.predicted)
        confidence.append(part.confidence)
        total += part.total
    return Scores(np.concatenate(predicted), np.concatenate(confidence), total)
