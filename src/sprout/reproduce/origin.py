"""What a run was made from, as the store has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sprout.runtime.errors import UserError
from sprout.tracking.lineage import split_diff
from sprout.tracking.reading.facts import Facts, artifact_file, build_of, children_of, data_of, facts_of
from sprout.tracking.tags import BUILD, ROLE, SWEEP

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRAININGS = ("train", "trial")
"""The roles of trainings that belong to no build."""


@dataclass(frozen=True)
class Origin:
    """What a run was made from."""

    run: "Run"
    facts: Facts
    commit: str
    patch: str
    """The changes since the commit."""
    lost: list[str]
    """What was not kept of the changes: names of files that git did not know, and secrets."""
    config: dict[str, Any]
    """The composed config."""
    data: dict[str, str]
    """Path → DVC's hash, of what the run or its trainings read."""

    @property
    def is_build(self) -> bool:
        """Whether the run is a build's, not a single training's."""
        return self.facts.run.kind == BUILD

    @property
    def title(self) -> str:
        """Its name and the beginning of its id."""
        return f"{self.facts.run.name} ({self.facts.run.id[:8]})"


def read_origin(client: "MlflowClient", run: "Run") -> Origin:
    """Return what a run was made from; of a training in a build, what the build was made from.

    Raises:
        UserError: it cannot be made again: it is a sweep, has not ended well, or its code or settings are not known.
    """
    run = build_of(client, run) if run.data.tags.get(ROLE) not in (SWEEP, *TRAININGS) else run
    facts = facts_of(client, run)
    refuse_unrepeatable(facts)
    assert facts.commit is not None
    lost, patch = split_diff(text_of(client, run, "git.diff") if facts.dirty else "")
    data = {path: digest for child in children_of(client, run) for path, digest in data_of(child).items()}
    config = yaml.load(text_of(client, run, "config.yaml"), yaml.CSafeLoader)
    return Origin(run, facts, facts.commit, patch, lost, config, data | facts.data)


def refuse_unrepeatable(facts: Facts) -> None:
    """Refuse a run that has no result to compare, or that does not say what code it was made by.

    Raises:
        UserError: this is one.
    """
    run = facts.run
    named = f"run {run.id[:8]} ({run.name})"
    if run.kind == SWEEP:
        raise UserError(f"{named}: is a sweep; give one of its trials, which `sprout show {run.id[:8]}` lists")
    if run.kind not in (BUILD, *TRAININGS):
        raise UserError(f"{named}: is a {run.kind} without its build; give a build, a training or a trial")
    if run.state != "finished":
        raise UserError(f"{named}: is {run.state}; only a run that has finished has a result to compare with")
    if facts.commit is None:
        raise UserError(f"{named}: was not made in a git repository, so its code is not known")


def text_of(client: "MlflowClient", run: "Run", name: str) -> str:
    """Return the content of a text file that a run has logged, with its line ends as they are.

    Raises:
        UserError: the store does not have it.
    """
    with artifact_file(client, run, name) as file:
        if file is None:
            raise UserError(f"run {run.info.run_id[:8]}: its artifact {name} is not in the store")
        return Path(file).read_bytes().decode()
