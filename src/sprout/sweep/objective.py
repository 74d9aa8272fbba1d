"""The objectives of a sweep: which metrics a trained model has, and their values."""

from pathlib import Path

from sprout.config.model import Model
from sprout.config.sweep import Sweep
from sprout.config.train import GradientDescent, Training, learned_task
from sprout.config.validate import close
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, read_rows

PARAMETERS = "parameters"


def check_objective(sweep: Sweep, training: Training, model: Model) -> None:
    """Check that the objectives are metrics of what is trained, known after each epoch where trials are pruned by one.

    Raises:
        UserError: one is not.
    """
    each_epoch = epoch_metrics(training)
    known = sorted({*each_epoch, *(f"val_{score.key}" for score in learned_task(training, model).scores), PARAMETERS})
    for objective in sweep.objective:
        if objective.metric not in known:
            raise UserError(
                f"sweep.objective: metric={objective.metric}: is no metric of what is trained here"
                f"{close(objective.metric, known)}; accepted: {', '.join(known)}"
            )
        if sweep.pruner != "none" and objective.metric not in each_epoch:
            raise UserError(
                f"sweep.pruner={sweep.pruner}: {objective.metric} is not known after each epoch; accepted: none, or a "
                f"metric of {', '.join(each_epoch) or 'a network, which learns in epochs'}"
            )


def epoch_metrics(training: Training) -> list[str]:
    """The metrics on val that a training reports after each epoch."""
    if not isinstance(training, GradientDescent):
        return []
    metric = training.task.epoch_metric
    return ["val_loss", *([f"val_{metric}"] if metric else [])]


def values_of(folder: Path, metrics: list[str]) -> list[float]:
    """The metrics of a model folder; those of its best epoch, where a training reports them after each.

    Raises:
        UserError: one has no value, as the val split has nothing to measure it on.
    """
    from sprout.models.card import load_card  # imports torch, which the supervisor does not need

    written = read_json(folder / "metrics.json")
    known = {f"val_{name}": value for name, value in written["val"].items()}
    if rows := read_rows(folder / "history.csv"):
        best = rows[written["best_epoch"] - 1]
        known |= {name: float(value) for name, value in best.items() if name.startswith("val_")}
    known[PARAMETERS] = load_card(folder).parameters
    if empty := [metric for metric in metrics if known.get(metric) is None]:
        raise UserError(f"sweep.objective: metric={empty[0]}: has no value on this val split; choose another")
    return [float(known[metric]) for metric in metrics]
