"""The curves of runs: metrics of each epoch, step or trial."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sprout.data.store import Array
from sprout.tracking.reading.facts import CURVES, Facts
from sprout.tracking.reading.found import Found

if TYPE_CHECKING:
    from mlflow import MlflowClient

VAL = "val_"


@dataclass(frozen=True)
class Curve:
    """A metric over time."""

    steps: Array
    """(N,) int64, rising."""
    values: Array
    """(N,) float64, all finite."""


def curves_of(client: "MlflowClient", facts: Facts) -> dict[str, Curve]:
    """Return the curves of a run by their names; a build's are its own and those of the training that it hands on."""
    sources = [facts.run, *([] if (training := training_of(facts)) is None else [training])]
    names = [(each.id, name) for each in sources for name in each.metrics if name.startswith(CURVES)]
    found = {name: read_curve(client, run, name) for run, name in names}
    return {name: curve for name, curve in found.items() if len(curve.steps)}


def training_of(facts: Facts) -> Found | None:
    """Return the training of the model that a build hands on: of several, the one with the build's figures on val."""
    of_role = [child for child in facts.children if child.kind == facts.handed_on]
    on_val = {
        name.partition("/")[2]: value for name, value in facts.figures.items() if name.startswith(f"{facts.handed_on}/")
    }
    exact = [child for child in of_role if agree(child.metrics, on_val)]
    return next(reversed(exact or of_role), None)


def agree(training: dict[str, float], build: dict[str, float]) -> bool:
    """Whether a training has the figures on val that a build has."""
    return all(training.get(name) == value for name, value in build.items() if name.startswith(VAL))


def read_curve(client: "MlflowClient", run: str, name: str) -> Curve:
    """Read a curve; of several values of one step the last one counts."""
    history = sorted(client.get_metric_history(run, name), key=lambda point: point.timestamp)
    values = {point.step: point.value for point in history if np.isfinite(point.value)}
    steps = sorted(values)
    return Curve(np.array(steps, np.int64), np.array([values[step] for step in steps], np.float64))
