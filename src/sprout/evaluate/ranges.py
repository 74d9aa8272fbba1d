"""What a model gives for a whole store, range by range: the rest of a long work is done by the machines of a cluster.

The outputs, (N, K), of ten million rows and a thousand classes take 40 GB: memory holds those of one batch. Ranges
begin at whole batches, so that the batches, and with them the bits of the outputs, are those of one pass over the
store, whichever process computes a range.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.models.predictor import Predictor, load_predictor, max_batch
from sprout.runtime.engine import Engine
from sprout.runtime.progress import track

T = TypeVar("T")
Range = tuple[int, int]
"""Its first row, and the one after its last."""
Compute = Callable[[Predictor, Store, int, int], T]
"""What is computed for a range: of a model, the store, the first row and the one after the last."""
BATCHES = 16
"""Of a range. More would be fewer ranges than processes for a small pool, fewer would open a model too often."""
LONG_SECONDS = 30.0
"""From this time that this process would take for the ranges after the first one, others compute them: these need
seconds to import torch and to open model and store."""
TASK_SECONDS = 5.0
"""Of a task of another machine: it takes as many ranges."""


class Model(NamedTuple):
    """A model, opened."""

    predictor: Predictor
    folder: Path
    """Its model folder, where other processes open it."""


def open_model(folder: Path) -> Model:
    """Open a model folder.

    Raises:
        UserError: there is no model in it.
    """
    return Model(load_predictor(folder), folder)


def over_ranges(compute: Compute[T], model: Model, store: Store, engine: Engine, what: str) -> Iterator[T]:
    """Yield what is computed for each range of a store, in its order; shows progress beside `what`.

    Args:
        compute: a module's function, or a partial call of one; other processes get it with its arguments.
        model: the model.
        store: the examples; there may be none.
        engine: where long work is done.
        what: shown beside the progress.

    Raises:
        UserError: other machines cannot compute it; see `Engine.compute_in_order`.
    """
    parts = ranges(len(store), max_batch(model.predictor.network, store.shape))
    return track(computed(compute, model, store, engine, parts), what, len(parts))


def ranges(rows: int, batch: int) -> list[Range]:
    """The ranges of so many rows in batches of this size."""
    step = BATCHES * batch
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def computed(compute: Compute[T], model: Model, store: Store, engine: Engine, parts: Sequence[Range]) -> Iterator[T]:
    """Yield the result of each range. The first one tells how long the others would take here."""
    if engine.elsewhere and store.rows is None and len(parts) > 1:
        began = time.perf_counter()
        first = compute(model.predictor, store, *parts[0])
        seconds = time.perf_counter() - began
        yield first
        parts = parts[1:]
        if seconds * len(parts) >= LONG_SECONDS:
            yield from computed_elsewhere(compute, model, store, engine, parts, max(1, int(TASK_SECONDS / seconds)))
            return
    for part in parts:
        yield compute(model.predictor, store, *part)


def computed_elsewhere(
    compute: Compute[T], model: Model, store: Store, engine: Engine, parts: Sequence[Range], length: int
) -> Iterator[T]:
    """Yield the result of each range, computed by other processes in tasks of so many ranges."""
    folders = model.folder.absolute(), store.folder.absolute()
    tasks = (
        partial(compute_ranges, compute, *folders, parts[start : start + length])
        for start in range(0, len(parts), length)
    )
    with closing(engine.compute_in_order(tasks)) as found:
        for results in found:
            yield from results


def compute_ranges(compute: Compute[T], model: Path, store: Path, parts: Sequence[Range]) -> list[T]:
    """What is computed for some ranges, by another process.

    Args:
        compute: the function.
        model: the folder of the model.
        store: the folder of the examples.
        parts: the ranges.

    Raises:
        UserError: the model or the store is damaged.
    """
    opened = open_both(model, store)
    return [compute(*opened, *part) for part in parts]


@lru_cache(maxsize=1)
def open_both(model: Path, store: Path) -> tuple[Predictor, Store]:
    """A model and a store, opened once by a process for its tasks of one pass over the store."""
    return load_predictor(model), open_store(store)


def outcomes_of(model: Model, store: Store, engine: Engine, what: str) -> Array:
    """What `Task.outcomes` returns for a whole store, in its order; shows progress beside `what`.

    Raises:
        UserError: other machines cannot compute it; see `Engine.compute_in_order`.
    """
    task, card = model.predictor.task, model.predictor.card
    if not len(store):
        return task.outcomes(task.examine(model.predictor, store, what), card, np.empty(0, np.int64))
    return np.concatenate([*over_ranges(outcomes_of_range, model, store, engine, what)])


def outcomes_of_range(model: Predictor, store: Store, start: int, stop: int) -> Array:
    """The same for the rows of a range, batch by batch."""
    labels, task = class_indices(store.columns("label")), model.task
    return np.concatenate(
        [
            task.outcomes(task.examine_rows(model, store, rows), model.card, labels[rows])
            for rows in batches(model, store, start, stop)
        ]
    )


def batches(model: Predictor, store: Store, start: int, stop: int) -> Iterator[Array]:
    """The rows of a range in batches that fit into memory: (n,) int64 each."""
    size = max_batch(model.network, store.shape)
    for first in range(start, stop, size):
        yield np.arange(first, min(first + size, stop))
