"""A trial, as a worker runs it: one training for each seed, by the same path as any other."""

from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.commands.train import train_beside
from sprout.engine.checkpoints import only_one
from sprout.engine.trial import Decision, Report, Row
from sprout.sweep.plan import TrialSpec
from sprout.sweep.ranks import train_as_ranks
from sprout.sweep.results import Result, checkpoints_of, kept_training


def run_trial(order: TrialSpec, report: Report) -> tuple[Result, int]:
    """Train for each seed, but where that has been done already.

    Args:
        order: the trial.
        report: asked after each epoch of the first seed; later ones run to their end.

    Returns:
        what was found, and how many trainings it took.

    Raises:
        Paused, Pruned: the sweep has left it.
        TrainingFailedError: a training has failed.
        UserError: the data, or settings on such data, are none that can be trained with.
    """
    results, each, trained = Path(order.results), [], 0
    for index, build in enumerate(order.builds):
        with only_one(checkpoints_of(results, build)):  # the same settings may have been drawn twice
            if kept_training(results, build) is None:
                train(order, index, report if index == 0 else go_on)
                trained += 1
            values = kept_training(results, build)
        assert values is not None, "a training that has ended well keeps them"
        each.append(values)
    return Result(each), trained


def go_on(row: Row, epoch: int) -> Decision:
    """The report of a training that goes on in any case."""
    return "go"


def train(order: TrialSpec, index: int, report: Report) -> None:
    """The training of one seed, here or by several processes."""
    with TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        if order.devices == 1:
            train_beside(model, order.build(index), "trial", order.trial(index, report))
        else:
            train_as_ranks(order, index, model, report)
