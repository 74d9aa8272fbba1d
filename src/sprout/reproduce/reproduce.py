"""Make a tracked run again: check out its code, compose its settings, bring its data, build or train, and compare."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.reproduce.bring import bring
from sprout.reproduce.checkout import Place, checked_out
from sprout.reproduce.data import Data, find_data
from sprout.reproduce.origin import Origin, read_origin
from sprout.reproduce.processes import ReproduceError, run, say, store_of
from sprout.reproduce.settings import compose
from sprout.reproduce.verdict import Verdict, judge
from sprout.runtime.progress import waiting
from sprout.tracking.outbox.journal import count_waiting
from sprout.tracking.reading.store import open_store
from sprout.tracking.tags import BUILD, ROLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FIRST_TRAINING = "train"
"""The stage of `dvc.yaml` that all other trainings need."""


@dataclass(frozen=True)
class Outcome:
    """What was found of a run, and what came out."""

    run: str
    """Its id."""
    name: str
    kind: str
    commit: str
    patched: bool
    """Whether changes since the commit were applied."""
    lost: list[str]
    """Files that git did not know and whose content was not kept with the run."""
    set: list[str]
    """Settings that experiment and overrides did not give, and that were taken from the run's config."""
    data: list[Data]
    verdict: Verdict | None
    """None where nothing was made."""
    folder: str | None
    """Where it was made, if that was kept."""


def reproduce(client: "MlflowClient", asked: "Run", place: Place, *, dry: bool = False) -> Outcome:
    """Make a run again in a worktree of git, tracked into a store there, and compare.

    Args:
        client: of the store of the run.
        asked: a build, a training or a trial; of a training in a build, the build is made again.
        place: where.
        dry: whether to stop once code, settings and the places of the data are known.

    Raises:
        UserError: the run cannot be made again.
        ReproduceError: its settings or its data can no longer be had, or the build or the training has failed.
    """
    origin, user = read_origin(client, asked), Path.cwd()
    announce(origin, asked)
    with checked_out(user, origin.commit, origin.patch, place) as workspace:
        try:
            say(f"composes the config in {workspace}")
            keys = compose(workspace, origin.config, origin.facts.overrides)
            data, verdict = find_data(user, workspace, origin.config, origin.data), None
            if not dry:
                data = [bring(user, workspace, origin.config, each) for each in data]
                verdict = make(client, origin, workspace)
        except ReproduceError as error:
            raise with_lost(error, origin) from None
        facts, folder = origin.facts.run, str(workspace) if place.keep else None
        changed = bool(origin.patch)
        return Outcome(
            facts.id, facts.name, facts.kind, origin.commit, changed, origin.lost, keys, data, verdict, folder
        )


def make(client: "MlflowClient", origin: Origin, workspace: Path) -> Verdict:
    """Build or train in a checked-out workspace that has the data, and compare.

    Raises:
        ReproduceError: the build or the training fails.
    """
    with waiting("creating a store"):  # takes seconds, which the end of a training would wait for
        store = open_store(store_of(workspace), create=True)
    run_anew(origin, workspace)
    with waiting("comparing"):
        return judge(client, origin.run, store, newest(store, BUILD if origin.is_build else "train"))


def run_anew(origin: Origin, workspace: Path) -> None:
    """Build or train, tracked into the store of the checked-out workspace.

    Raises:
        ReproduceError: that fails.
    """
    if origin.is_build:
        say("builds; the stages that train, and those after them, run anew")
        options = ("--no-run-cache", "--no-commit", "--force", "--downstream")
        run(workspace, sys.executable, "-m", "dvc", "repro", *options, FIRST_TRAINING)
    else:
        say("trains")
        run(workspace, "sprout", "train")
    if count_waiting(workspace / "mlruns" / "outbox"):  # the store was slow
        run(workspace, "sprout", "outbox", "--send")


def newest(client: "MlflowClient", role: str) -> "Run":
    """Return the run of a role that was tracked last.

    Raises:
        ReproduceError: there is none.
    """
    experiments = [each.experiment_id for each in client.search_experiments()]
    order = ["attributes.start_time DESC"]
    found = client.search_runs(experiments, f"tags.`{ROLE}` = '{role}'", order_by=order, max_results=1)
    if not found:
        raise ReproduceError("nothing was tracked, as the messages above say; so there is nothing to compare")
    return found[0]


def announce(origin: Origin, asked: "Run") -> None:
    """Say what is made again."""
    if asked.info.run_id != origin.run.info.run_id:
        part = f"{asked.info.run_name} ({asked.info.run_id[:8]})"
        say(f"{part} is a part of the build {origin.title}, which is made again")
    changes = " and the changes kept with the run" if origin.patch else ""
    say(f"{origin.title}: checks out the commit {origin.commit[:12]}{changes}")
    if origin.lost:
        say(f"not kept of the run's changes: {', '.join(origin.lost)}")


def with_lost(error: ReproduceError, origin: Origin) -> ReproduceError:
    """Return an error that names the files that are missing, as these may be why."""
    why = f"; perhaps for want of what the run has not kept: {', '.join(origin.lost)}" if origin.lost else ""
    return ReproduceError(f"{error}{why}")
