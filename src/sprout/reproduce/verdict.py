"""Whether a run that was made again came out the same, and what may be why not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sprout.runtime import model_folder
from sprout.tracking.environment import environment_of
from sprout.tracking.logged_model import FOLDER
from sprout.tracking.reading.facts import data_of, ended_trainings, without_curves
from sprout.tracking.tags import BUILD, ROLE, WEIGHTS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Pair = tuple[str | float | None, str | float | None]
"""Then, and now; None where it is not known."""
TIMES = ("training_seconds",)
"""Figures that differ every time."""
MODEL_FILE = f"artifacts/{FOLDER}/{model_folder.WEIGHTS}"
"""The weights in the folder of a logged model."""


@dataclass(frozen=True)
class Verdict:
    """What came out, beside what had come out before."""

    weights: dict[str, Pair]
    """SHA-256 of `model.safetensors`, by training."""
    outputs: dict[str, Pair]
    """DVC's hashes of what a build made, by path."""
    figures: dict[str, Pair]
    environment: dict[str, Pair]
    """CPU, threads, GPU and libraries that differ, by training and name."""
    recorded: bool
    """Whether the run has recorded its environment."""

    @property
    def unknown(self) -> list[str]:
        """The trainings of which the weights were not kept."""
        return [name for name, pair in self.weights.items() if None in pair]

    @property
    def differing(self) -> dict[str, Pair]:
        """What differs, by name."""
        weights = {f"{name}: weights": pair for name, pair in self.weights.items() if None not in pair}
        found = weights | self.outputs | self.figures
        return {name: pair for name, pair in found.items() if not equal(pair)}

    @property
    def same(self) -> bool:
        """Whether all that is known is equal."""
        return not self.differing


def equal(pair: Pair) -> bool:
    """Whether both are equal; NaN is equal to NaN."""
    then, now = pair
    return then == now or str(then) == str(now) == "nan"


def judge(client: "MlflowClient", run: "Run", now: "MlflowClient", again: "Run") -> Verdict:
    """Compare a run with the same one made again, in what the latter has.

    A build's own run may also have trainings and figures of earlier code with the same settings.

    Args:
        client: of the store of the run.
        run: a build, a training or a trial.
        now: of the store of the run that was made again.
        again: the latter.
    """
    trained_again = trainings(now, again)
    trained = {name: each for name, each in trainings(client, run).items() if name in trained_again}
    before, after = environment_by_training(trained), environment_by_training(trained_again)
    return Verdict(
        weights=pairs(
            {name: weights_of(client, each) for name, each in trained.items()},
            {name: weights_of(now, each) for name, each in trained_again.items()},
        ),
        outputs=pairs(data_of(run), data_of(again)) if is_build(run) else {},
        figures=pairs(figures_by_run(run, trained), figures_by_run(again, trained_again)),
        environment={key: pair for key, pair in pairs(before, after).items() if before and not equal(pair)},
        recorded=bool(before),
    )


def pairs(then: Mapping[str, str | float | None], now: Mapping[str, str | float | None]) -> dict[str, Pair]:
    """Return what there is now, beside what it was."""
    return {key: (then.get(key), value) for key, value in now.items()}


def is_build(run: "Run") -> bool:
    """Whether a run is a build's own."""
    return bool(run.data.tags.get(ROLE) == BUILD)


def trainings(client: "MlflowClient", run: "Run") -> "dict[str, Run]":
    """Return the trainings of a build that have ended well, the newest of each name; otherwise the run itself."""
    return ended_trainings(client, run) if is_build(run) else {"model": run}


def weights_of(client: "MlflowClient", run: "Run") -> str | None:
    """Return the SHA-256 of a training's weights, of old runs from the logged model; None if they were not kept."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    if WEIGHTS in run.data.tags:
        return str(run.data.tags[WEIGHTS])
    for model in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"):
        with TemporaryDirectory() as scratch:
            address = f"{model.artifact_location}/{MODEL_FILE}"
            try:
                file = download_artifacts(artifact_uri=address, dst_path=scratch, tracking_uri=client.tracking_uri)
            except (MlflowException, OSError):  # the model was removed
                continue
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return None


def environment_by_training(trained: "dict[str, Run]") -> dict[str, str]:
    """Return what was recorded of CPU, threads, GPU and libraries: by name, where trainings differ also by training."""
    found: dict[str, str] = {}
    for name, run in trained.items():
        for key, value in environment_of(run.data.tags).items():
            if found.setdefault(key, value) != value:
                found[f"{name}: {key}"] = value
    return found


def figures_by_run(run: "Run", trained: "dict[str, Run]") -> dict[str, float]:
    """Return the figures of a run and of its trainings, without times."""
    of_trainings = {
        (f"{name}: {key}" if each is not run else key): value
        for name, each in trained.items()
        for key, value in without_curves(each.data.metrics).items()
    }
    found = of_trainings | without_curves(run.data.metrics)
    return {key: value for key, value in found.items() if key.rpartition(": ")[2] not in TIMES}
