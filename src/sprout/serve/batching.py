"""Requests that wait at the same time are predicted together, as one batch costs little more than one example."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np

from sprout.data.store import Array


@dataclass(frozen=True)
class Waiting:
    """A request's examples, and where their predictions go."""

    examples: Array
    predictions: "Future[Array]" = field(default_factory=Future)


class Batcher:
    """Predicts on a thread of its own, in batches of what has come in while the last one was predicted."""

    def __init__(self, predict: Callable[[Array], Array], most: int) -> None:
        """Start the thread.

        Args:
            predict: examples → predictions, a row for each.
            most: examples in a batch, unless a single request has more.
        """
        self.predict, self.most = predict, most
        self.queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="predict", daemon=True)
        self.thread.start()

    def submit(self, examples: Array) -> "Future[Array]":
        """Return the predictions to come for these examples, a row for each; a cancelled one is left out."""
        waiting = Waiting(examples)
        self.queue.put(waiting)
        return waiting.predictions

    def close(self) -> None:
        """Predict what waits, and end the thread."""
        self.queue.put(None)
        self.thread.join()

    def _run(self) -> None:
        while (first := self.queue.get()) is not None:
            batch, end = self._with_others(first)
            _predict(self.predict, [each for each in batch if each.predictions.set_running_or_notify_cancel()])
            if end:
                return

    def _with_others(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """Return a batch with all that waits, as far as it fits, and whether the end was asked for."""
        batch, count = [first], len(first.examples)
        while count < self.most:
            try:
                another = self.queue.get_nowait()
            except Empty:
                break
            if another is None:
                return batch, True
            batch.append(another)
            count += len(another.examples)
        return batch, False


def _predict(predict: Callable[[Array], Array], batch: list[Waiting]) -> None:
    """Set the predictions of a batch, or the error that the model has raised."""
    if not batch:
        return
    try:
        predictions = predict(np.concatenate([each.examples for each in batch]))
    except Exception as error:
        for each in batch:
            each.predictions.set_exception(error)
        return
    ends = np.cumsum([len(each.examples) for each in batch])
    for each, rows in zip(batch, np.split(predictions, ends[:-1]), strict=True):
        each.predictions.set_result(rows)
