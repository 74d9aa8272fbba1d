"""A trial, as a worker runs it: one training for each seed, by the same path as any other."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.core.records import read_json
from sprout.extra_training import train_beside
from sprout.sweep.objective import values_of
from sprout.sweep.order import Order
from sprout.sweep.ranks import train_as_ranks
from sprout.sweep.results import Result
from sprout.training.tracked import Report


def run_trial(order: Order, report: Report) -> Result:
    """Train for each seed.

    Args:
        order: the trial.
        report: asked after each epoch of the first seed; later ones run to their end.

    Raises:
        Pruned: the sweep has ended it.
        UserError: the data, or settings on such data, are none that can be trained with.
    """
    began, each, epochs = time.monotonic(), [], 0
    for index in range(len(order.builds)):
        with TemporaryDirectory() as scratch:
            model = Path(scratch) / "model"
            train(order, index, model, report if index == 0 else go_on)
            each.append(values_of(model, order.metrics))
            epochs += read_json(model / "metrics.json")["epochs"]
    values = [sum(column) / len(column) for column in zip(*each, strict=True)]
    return Result(values, each, time.monotonic() - began, epochs)


def go_on(row: dict[str, float], epoch: int) -> bool:
    """The report of a training that is not pruned."""
    return True


def train(order: Order, index: int, model: Path, report: Report) -> None:
    """The training of one seed, here or by several processes."""
    if order.devices == 1:
        train_beside(model, order.build(index), "trial", order.trial(index, report))
    else:
        train_as_ranks(order, index, model, report)
