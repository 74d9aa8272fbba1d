"""What a worker is told to run: a trial."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sprout.core.build import Build
from sprout.core.errors import TrainingFailedError
from sprout.sweep.results import checkpoints_of, keep_training
from sprout.tracking import InSweep

if TYPE_CHECKING:
    from sprout.training.reporting import Report, Trial


@dataclass(frozen=True)
class Order:
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
    def from_dict(cls, given: dict[str, Any]) -> "Order":
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
        from sprout.sweep.objective import values_of
        from sprout.training.reporting import Trial

        def keep(model: Path) -> None:
            values = values_of(model, self.metrics)
            if not all(map(math.isfinite, values)):
                raise TrainingFailedError(f"its value is no number: {values}")
            keep_training(Path(self.results), self.builds[index], values)

        name = f"trial {self.number}" + (f", seed {index}" if len(self.builds) > 1 else "")
        place = checkpoints_of(Path(self.results), self.builds[index])
        return Trial(self.sweep, name, {"sprout.trial": str(self.number)}, place, report, keep)
