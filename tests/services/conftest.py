"""The services of a team, started once for each test process, and the workspaces of its members.

`make test-services` runs each file in a process of its own, so all tests of the first member's build are in one file.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from running import KEYS, TrackingServer, postgres, s3_server
from sprout.runtime.s3 import client
from sprout.tracking.connection import connect
from workspaces import commit_all, new_project, run

if TYPE_CHECKING:
    from ray_cluster import RayCluster

SHORT = ["train.epochs=2", "control.policies=[weak]", "retrain.epochs=1", "retrain.steps_per_epoch=4"]
"""Settings of a build of the digits that takes seconds."""


@dataclass(frozen=True)
class Member:
    """Someone's workspace, which tracks on the team's server."""

    folder: Path
    uri: str

    def run(self, *words: str) -> str:
        """Run a command in it and return what it printed."""
        return run(self.folder, *words, more={"MLFLOW_TRACKING_URI": self.uri})

    def runs(self, *terms: str) -> list[dict[str, Any]]:
        """What `sprout runs` finds, newest first."""
        return [json.loads(line) for line in self.run("sprout", "runs", "--json", "-n", "100", *terms).splitlines()]


@pytest.fixture(scope="session")
def starting() -> Iterator[TrackingServer]:
    """MLflow's server on PostgreSQL, which need not answer yet: other things take their time meanwhile."""
    with postgres() as database, TemporaryDirectory(prefix="mlflow-") as folder:
        server = TrackingServer.on(database, Path(folder))
        server.service.start()
        yield server
        server.service.end()


@pytest.fixture(scope="session")
def project_of_team(starting: TrackingServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that builds the digits in seconds."""
    folder = new_project(tmp_path_factory.mktemp("team") / "sprout")
    (folder / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": SHORT}))
    commit_all(folder)
    return folder


@pytest.fixture(scope="session")
def server(starting: TrackingServer) -> TrackingServer:
    """MLflow's server on PostgreSQL."""
    starting.wait()
    return starting


@pytest.fixture(scope="session")
def first(project_of_team: Path, server: TrackingServer) -> Member:
    """A member with a build and a sweep of two trials."""
    member = Member(project_of_team, server.uri)
    member.run("dvc", "repro")
    commit_all(member.folder)
    member.run("sprout", "sweep", "train.epochs=1", "sweep.trials=2", "sweep.workers=1", "sweep.pruner=none")
    return member


@pytest.fixture(scope="session")
def tracked(first: Member) -> dict[str, list[Any]]:
    """What the first member has tracked: the kind of a run → the runs, as the store has them."""
    client, found = connect(first.uri), defaultdict(list)
    for each in first.runs("experiment=digits", "kind=build,sweep,teacher,control,student,trial"):
        found[each["kind"]].append(client.get_run(each["id"]))
    return found


@pytest.fixture(scope="session")
def cluster() -> Iterator["RayCluster"]:
    """A Ray cluster on loopback, whose processes import the modules of this folder; it leaves nothing behind."""
    pytest.importorskip("ray")
    from ray_cluster import ray_cluster, servers_in

    with TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_cluster(Path(folder)) as started:
            assert servers_in(Path(folder))
            yield started
        assert servers_in(Path(folder)) == []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of S3 on loopback, with an empty bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as address:
        client.cache_clear()  # which knows the address of an earlier one
        yield address
    client.cache_clear()
