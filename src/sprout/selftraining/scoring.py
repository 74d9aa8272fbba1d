"""What a model says of a whole split, range by range: the predicted class of each row, and its confidence.

The probabilities, (N, K), of ten million rows and a thousand classes take 40 GB: memory holds those of one batch.
Ranges begin at whole batches, so that the batches, and with them the bits of the outputs, are those of one pass over
the store, whichever process scores a range. Alignment needs all probabilities twice, and reads them from files.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sprout.data.store import Array, Store, open_store
from sprout.models.predictor import Predictor, load_predictor, max_batch
from sprout.runtime.progress import track
from sprout.selftraining.selection import scaled

BATCHES = 16
"""Of a range. More would be fewer ranges than processes for a small pool, fewer would open a model too often."""
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


def score(model: Predictor, store: Store, what: str, kept: Path | None = None) -> Scores:
    """Score a store, which may be empty, in its order.

    Args:
        model: a classifier.
        store: the examples.
        what: shown beside the progress.
        kept: a folder, which is made, for the probabilities, a file for each range; None keeps none.
    """
    if kept:
        kept.mkdir()
    tasks = [
        partial(score_range, model, store, start, stop, kept and kept / f"{start:012}")
        for start, stop in ranges(len(store), max_batch(model.network, store.shape))
    ]
    return joined((task() for task in track(tasks, what, len(tasks))), len(model.classes))


def ranges(rows: int, batch: int) -> list[tuple[int, int]]:
    """The first row of each range and the one after its last, for so many rows in batches of this size."""
    step = BATCHES * batch
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def score_range(
    model: Path | Predictor, store: Path | Store, start: int, stop: int, kept: Path | None = None
) -> Scores:
    """Score the rows of one of the `ranges` of a store, with as many threads as this process has.

    Args:
        model: a classifier, or its folder.
        store: the examples, or their folder.
        start: the first row.
        stop: the row after the last one.
        kept: the file for the probabilities, (stop − start, K) float32; None keeps none.

    Raises:
        UserError: the model or the store is damaged.
    """
    predictor = load_predictor(model) if isinstance(model, Path) else model
    batches = probabilities(predictor, open_store(store) if isinstance(store, Path) else store, start, stop)
    return joined(map(of_batch, written(batches, kept) if kept else batches), len(predictor.classes))


def probabilities(model: Predictor, store: Store, start: int, stop: int) -> Iterator[Array]:
    """The calibrated probabilities of these rows of a store, batch by batch: (n, K) float32 each."""
    size = max_batch(model.network, store.shape)
    for first in range(start, stop, size):
        yield model.predict(store.take(np.arange(first, min(first + size, stop))))


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
    files = sorted(kept.iterdir())
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
