"""What a sweep seeks: which figures a trained model has, and their values."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from sprout.config.model import ESTIMATORS
from sprout.config.sweep import Sweep
from sprout.config.task import FIGURES
from sprout.config.validate import close
from sprout.metrics import classification_metrics, clustering_metrics, reconstruction_metrics, regression_metrics
from sprout.models.card import load_card
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

PARAMETERS = "parameters"


def check_objective(sweep: Sweep, config: dict[str, Any]) -> None:
    """Check that what is sought is known of what is trained, after each epoch where trials are pruned by it.

    Raises:
        UserError: it is not.
    """
    after_epochs, at_the_end = known_after_epochs(config), known_at_the_end(config)
    for objective in sweep.objective:
        known = sorted({*after_epochs, *at_the_end, PARAMETERS})
        if objective.metric not in known:
            raise UserError(
                f"sweep.objective: metric={objective.metric}: not known of what is trained here"
                f"{close(objective.metric, known)}; accepted: {', '.join(known)}"
            )
        if sweep.pruner != "none" and objective.metric not in after_epochs:
            raise UserError(
                f"sweep.pruner={sweep.pruner}: {objective.metric} is not known after each epoch; accepted: none, or a "
                f"metric of {', '.join(after_epochs) or 'a network, which learns in epochs'}"
            )


def known_after_epochs(config: dict[str, Any]) -> list[str]:
    """The figures on val that a training says after each epoch."""
    if config["model"]["name"] in ESTIMATORS:
        return []
    figure = FIGURES[config["train"]["task"]["kind"]]
    return ["val_loss", *([f"val_{figure}"] if figure else [])]


def known_at_the_end(config: dict[str, Any]) -> list[str]:
    """The figures on val that are taken of a trained model; asked of two examples that are made up."""
    two, ones = np.arange(2), np.ones(2)
    by_task: dict[str, Any] = {
        "classify": lambda: classification_metrics(np.full((2, 2), 0.5), two, 1),
        "regress": lambda: regression_metrics(ones, two),
        "reconstruct": lambda: reconstruction_metrics(ones, ones),
        "cluster": lambda: clustering_metrics(two, ones, two),
    }
    if config["model"]["name"] in ESTIMATORS:
        kind = "cluster" if config["model"]["name"] == "kmeans" else "classify"
    else:
        kind = config["train"]["task"]["kind"]
    return [f"val_{name}" for name in by_task[kind]()]


def values_of(folder: Path, metrics: list[str]) -> list[float]:
    """The figures of a model folder; those of its best epoch, where a training says them after each.

    Raises:
        UserError: one has no value, as the val split holds nothing to take it from.
    """
    written = read_json(folder / "metrics.json")
    known = {f"val_{name}": value for name, value in written["val"].items()}
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows:
        known |= {name: float(value) for name, value in rows[written["best_epoch"]].items() if name.startswith("val_")}
    known[PARAMETERS] = load_card(folder).parameters
    if empty := [metric for metric in metrics if known.get(metric) is None]:
        raise UserError(f"sweep.objective: metric={empty[0]}: has no value on this val split; choose another")
    return [float(known[metric]) for metric in metrics]
