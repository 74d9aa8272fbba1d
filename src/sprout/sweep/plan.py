"""What a worker is told to run: a trial."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from sprout.config.workspace import Build
from sprout.runtime.errors import TrainingFailedError
from sprout.sweep.results import checkpoints_of, keep_training
from sprout.tracking import InSweep

if TYPE_CHECKING:
    from sprout.engine.trial import Report, Trial


@dataclass(frozen=True)
class TrialSpec:
    """One trial."""

    number: int
    """Its number in the study."""
    builds: list[str]
    """A composed config for each seed, as YAML."""
    devices: int
    """That each training takes."""
    metrics: list[str]
    """What is sought."""
    sweep: InSweep
    """The sweep's run."""
    results: str
    """The folder of results."""

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "TrialSpec":
        """What `as_dict` has given."""
        return cls(**given | {"sweep": InSweep(**given["sweep"])})

    def as_dict(self) -> dict[str, Any]:
        """As a message holds it."""
        return asdict(self)

    def build(self, index: int) -> Build:
        """The build of one seed."""
        return Build(self.builds[index], yaml.load(self.builds[index], yaml.CSafeLoader))

    def trial(self, index: int, report: "Report") -> "Trial":
        """What the training of one seed is to the sweep."""
        from sprout.engine.trial import Trial
        from sprout.sweep.objective import values_of

        def keep(model: Path) -> None:
            values = values_of(model, self.metrics)
            if not all(map(math.isfinite, values)):
                raise TrainingFailedError(f"its value is no number: {values}")
            keep_training(Path(self.results), self.builds[index], values)

        name = f"trial {self.number}" + (f", seed {index}" if len(self.builds) > 1 else "")
        place = checkpoints_of(Path(self.results), self.builds[index])
        return Trial(self.sweep, name, {"sprout.trial": str(self.number)}, place, report, keep)


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep runs by."""

    space: dict[str, BaseDistribution]
    """What is drawn."""
    sampler: Callable[[int], BaseSampler]
    """For a draw, which it takes the number of."""
    order: Callable[[int, dict[str, Any]], TrialSpec]
    """What a worker is told, from a trial's number and params; raises `UserError` where they do not fit."""
    epochs: Callable[[dict[str, Any]], int]
    """Of a training, at most, from a trial's params."""
    metric: str | None
    """The one that is sought, by which trials are pruned; None where there are several."""
    halving: bool
    """Whether trials wait at the rungs of successive halving; else the study's pruner ends them."""
    workers: int
    """How many there are at most."""
    threads: int
    """That each process of a trial has."""
    total: int
    """How many trials there shall be, complete or pruned."""
    deadline: float | None
    """On the monotonic clock; no trial begins after it."""
