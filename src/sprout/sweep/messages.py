"""What the processes of a sweep tell one another: JSON messages over a socket, and the trial that one of them names."""

import json
import math
import signal
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sprout.config.workspace import Build
from sprout.runtime.errors import TrainingFailedError
from sprout.runtime.signals import Killed
from sprout.sweep.results import checkpoints_of, keep_training
from sprout.tracking import InSweep

if TYPE_CHECKING:
    from sprout.tracking.trial import Report, Trial

Message = dict[str, Any]


@dataclass(frozen=True)
class TrialSpec:
    """One trial, as the supervisor hands it to a worker."""

    number: int
    """Its number in the study."""
    builds: list[str]
    """The composed config of each seed, as YAML."""
    settings: list[str]
    """What differs from the experiment's file, as overrides."""
    devices: int
    """Devices of each training."""
    metrics: list[str]
    """The objectives."""
    sweep: InSweep
    """The MLflow run of the sweep."""
    results: str
    """The folder of results."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrialSpec":
        """Read what `as_dict` has written."""
        return cls(**values | {"sweep": InSweep(**values["sweep"])})

    def as_dict(self) -> dict[str, Any]:
        """Return it as a message holds it."""
        return asdict(self)

    def build(self, index: int) -> Build:
        """Return the build of one seed."""
        return Build(self.builds[index], yaml.load(self.builds[index], yaml.CSafeLoader), tuple(self.settings))

    def trial(self, index: int, report: "Report") -> "Trial":
        """Return what the training of one seed knows of the sweep."""
        from sprout.sweep.objective import values_of
        from sprout.tracking.trial import Trial

        def keep(model: Path) -> None:
            values = values_of(model, self.metrics)
            if not all(map(math.isfinite, values)):
                named = dict(zip(self.metrics, values, strict=True))
                raise TrainingFailedError(f"an objective is NaN or infinite: {named}")
            keep_training(Path(self.results), self.builds[index], values)

        name = f"{self.sweep.name} #{self.number}" + (f" seed {index}" if len(self.builds) > 1 else "")
        checkpoints = checkpoints_of(Path(self.results), self.builds[index])
        return Trial(self.sweep, name, {"sprout.trial": str(self.number)}, checkpoints, report, keep)


def send(channel: "Connection[Any, Any]", message: Message) -> None:
    """Send one message.

    Raises:
        OSError: the other process has ended.
    """
    channel.send_bytes(json.dumps(message).encode())


def receive(channel: "Connection[Any, Any]") -> Message | None:
    """Return the next message; None if the other process has ended or closed the channel."""
    try:
        message: Message = json.loads(channel.recv_bytes())
    except (EOFError, OSError):  # also for a message that was cut off
        return None
    return message


def ask(channel: "Connection[Any, Any]", message: Message) -> Message:
    """Send a message and return the answer.

    Raises:
        Killed: the other process has ended; this one ends as if SIGTERM had asked it to.
    """
    try:
        send(channel, message)
    except OSError:
        raise Killed(signal.SIGTERM) from None
    answer = receive(channel)
    if answer is None:
        raise Killed(signal.SIGTERM)
    return answer
