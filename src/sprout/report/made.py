"""When, from which code and where a page was made: all that it says beside what its inputs determine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.config.workspace import Build
from sprout.runtime.errors import UserError
from sprout.runtime.progress import waiting
from sprout.tracking import BUILD, experiment_name, git_state, tracking_uri
from sprout.tracking.address import hide_password, is_server
from sprout.tracking.environment import environment_tags
from sprout.tracking.reading.facts import ended_trainings
from sprout.tracking.reading.found import duration
from sprout.tracking.reading.store import open_store
from sprout.tracking.tags import BUILD_TAG, CORES, CPU, GPU, ROLE
from sprout.tracking.views import run_address

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SECONDS = "training_seconds"
"""The metric of a training's run."""


@dataclass(frozen=True)
class Recorded:
    """What the tracking store has of a build."""

    run: str
    """The id of its run."""
    address: str | None
    """Of the run's page on a tracking server; None where the store is a file."""
    machines: tuple[str, ...]
    """Those that the trainings ran on, as far as they are recorded."""
    trainings: int
    """Those that have ended well."""
    timed: int
    """How many of them have their duration: one whose result DVC restored from its cache has none."""
    seconds: float
    """Of the timed ones, summed up."""

    @property
    def took(self) -> str:
        """The sum as hours, minutes and seconds."""
        return duration(self.seconds)


@dataclass(frozen=True)
class Made:
    """When, from which code and where."""

    time: str
    """Local, to the minute, with its offset from UTC."""
    commit: str | None
    """None outside of git."""
    changed: bool
    """Whether the code differed from the commit."""
    machine: str
    """That the page was made on."""
    recorded: Recorded | None
    """None where the store does not answer, or does not know the build."""


def made_now(build: Build) -> Made:
    """Return what is known of the build of this workspace, whose page is being made."""
    git = git_state(Path.cwd())
    now = datetime.now().astimezone().isoformat(" ", "minutes")
    here = machine(environment_tags())
    with waiting("reading the record of the build"):
        return Made(now, git.commit, bool(git.diff), here, recorded(tracking_uri(), build))


def recorded(uri: str, build: Build) -> Recorded | None:
    """Return what the store has of a build; None where it does not answer, or does not know it."""
    from mlflow.exceptions import MlflowException

    try:
        client = open_store(uri)
        run = find_build(client, build)
        return None if run is None else record_of(client, uri, run)
    except (UserError, MlflowException):  # those who send the runs say why
        return None


def find_build(client: "MlflowClient", build: Build) -> "Run | None":
    """Return the run of a build; None if there is none yet."""
    experiment = client.get_experiment_by_name(experiment_name(build.experiment))
    if experiment is None:
        return None
    search = f"tags.`{BUILD_TAG}` = '{build.name}' and tags.`{ROLE}` = '{BUILD}'"
    found = client.search_runs([experiment.experiment_id], search, order_by=["attributes.start_time ASC"])
    return found[0] if found else None


def record_of(client: "MlflowClient", uri: str, run: "Run") -> Recorded:
    """Return what the store has of the build of this run."""
    trainings = ended_trainings(client, run).values()
    seconds = [each.data.metrics[SECONDS] for each in trainings if SECONDS in each.data.metrics]
    server = f"{hide_password(uri, uri).rstrip('/')}/" if is_server(uri) else None
    return Recorded(
        run=run.info.run_id,
        address=server and server + run_address(run.info.experiment_id, run.info.run_id),
        machines=machines(each.data.tags for each in trainings),
        trainings=len(trainings),
        timed=len(seconds),
        seconds=sum(seconds),
    )


def machines(of_trainings: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the machines that the tags of trainings name, each once."""
    return tuple(dict.fromkeys(machine(tags) for tags in of_trainings if CPU in tags))


def machine(tags: Mapping[str, str]) -> str:
    """Return a machine in words, such as `Example CPU, 8 cores, Example GPU`."""
    cores = [f"{tags[CORES]} cores" if tags[CORES] != "1" else "1 core"] if CORES in tags else []
    return ", ".join([tags[CPU], *cores, *([tags[GPU]] if GPU in tags else [])])
