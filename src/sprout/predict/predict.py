"""Predict what paths of the command line refer to, in batches: bounded memory for any number of examples."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from sprout.config.pretrained import TORCHVISION
from sprout.data.listing import Array
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.predict.items import Item, Reader
from sprout.predict.replicas import devices
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task

AHEAD = 2
"""Batches that are read while one is predicted."""


class AnyModel(Reader, Protocol):
    """A model of this project, or of torchvision."""

    batch: int
    """Examples of a batch that fits into memory."""

    @property
    def classes(self) -> list[str]:
        """Class names, by index; none where the model does not classify."""

    @property
    def task(self) -> type[Task]:
        """What the model has learned."""

    def predict_array(self, examples: Array) -> Array:
        """Return the predictions of the task for examples that were read."""


class Batch(NamedTuple):
    """Some examples with their predictions."""

    names: list[str]
    """(n,) of those that could be read."""
    predictions: Array
    """(n, …) as the task defines them."""
    faults: list[tuple[str, Fault]]
    """The names of the others, with what is wrong with them."""


def open_model(name: str, weights: Path | None, resize: str | None, device: str, top: int | None) -> AnyModel:
    """Open a model.

    Args:
        name: a model folder, `torchvision:NAME`, or a model of the tracking store such as `models:/digits@champion`.
        weights: a file with the weights of the latter; None fetches the published ones.
        resize: see `sprout.load`.
        device: see `sprout.load`.
        top: classes that are to be named, if the user has said; checked before weights are fetched.

    Raises:
        UserError: there is no such model, or an argument does not fit it.
        UnreachableError: the weights cannot be fetched.
    """
    if name.startswith(TORCHVISION):
        from sprout.predict.torchvision_model import TorchvisionModel

        if resize is not None:
            raise UserError(f"--resize {resize}: {name} has its own way to resize; leave it out")
        return TorchvisionModel(name.removeprefix(TORCHVISION), weights, devices(device), top)
    from sprout.predict.load import load

    if weights is not None:
        raise UserError(f"--weights {weights}: is for --model torchvision:NAME; {name} has weights")
    model = load(name, resize=resize, device=device)
    model.check_predicts()
    return model


def predict_items(model: AnyModel, items: Iterable[Item]) -> Iterator[Batch]:
    """Yield predictions for all items in their order; the next batches are read on threads meanwhile."""
    with without_pillow_limits(), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for batch in read_ahead(threads, batches(items, model.batch)):
            done = [(item.name, each.result()) for item, each in batch]
            names = [name for name, each in done if not isinstance(each, Fault)]
            examples = [each for _, each in done if not isinstance(each, Fault)]
            predictions = model.predict_array(np.stack(examples)) if examples else np.empty(0)
            yield Batch(names, predictions, [(name, each) for name, each in done if isinstance(each, Fault)])


def read_ahead(
    threads: ThreadPoolExecutor, batches: Iterator[list[Item]]
) -> Iterator[list[tuple[Item, "Future[Array | Fault]"]]]:
    """Yield the batches with their examples, of which `AHEAD` more are being read."""
    waiting: deque[list[tuple[Item, Future[Array | Fault]]]] = deque()
    for batch in batches:
        waiting.append([(item, threads.submit(read, item)) for item in batch])
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of at most `size` items."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def read(item: Item) -> Array | Fault:
    """Return an example, or what is wrong with it."""
    try:
        return item.read()
    except Fault as fault:
        return fault
