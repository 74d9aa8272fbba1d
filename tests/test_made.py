"""What a page says of when and where it was made, as the tracking store has recorded it."""

from pathlib import Path
from typing import Any

import pytest

from sprout.config.workspace import Build
from sprout.report import made
from sprout.report.made import made_now, recorded
from sprout.tracking import GitState, tracking_uri
from sprout.tracking.environment import available_cores, cpu_model
from sprout.tracking.tags import CORES, CPU, GPU
from sprout.tracking.views import run_address
from tracked_runs import make_build, runs_of, track


def train(build: Build, role: str, seconds: float | None, **tags: Any) -> None:
    with track(build, role, tracking_uri(), **tags) as run:
        if seconds is not None:
            run.log_metrics({"training_seconds": seconds})


def test_the_record_of_a_build_is_that_of_its_trainings(root: Path) -> None:
    """The newest training of each name counts, and none of another build."""
    build = make_build()
    train(build, "teacher", 100.0)
    train(build, "teacher", 60.0)
    train(build, "student", 23.4)
    train(build, "control", None, tags={"sprout.restored": "true"})
    train(make_build(1), "teacher", 7.0)
    (run,) = (each for each in runs_of(tracking_uri(), role="build") if each.data.tags["sprout.build"] == build.name)
    found = recorded(tracking_uri(), build)
    assert found is not None
    assert (found.run, found.address) == (run.info.run_id, None)
    assert (found.trainings, found.timed, found.seconds, found.took) == (3, 2, pytest.approx(83.4), "1:23")
    cores = available_cores()
    assert found.machines == (f"{cpu_model()}, {cores} core{'s' if cores > 1 else ''}",)


def test_a_build_that_the_store_does_not_know_has_no_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(make_build(1), "teacher", 7.0)
    assert recorded(tracking_uri(), make_build()) is None
    assert recorded(f"sqlite:///{root}/none.db", make_build()) is None
    monkeypatch.setattr(made, "git_state", lambda folder: GitState("c0ffee", "--- a\n"))
    now = made_now(make_build())
    assert (now.commit, now.changed, now.recorded) == ("c0ffee", True, None)
    assert now.machine.startswith(cpu_model())


def test_a_run_on_a_server_has_an_address_without_its_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(make_build(), "teacher", 1.0)
    local = tracking_uri()
    (run,) = runs_of(local, role="build")
    opened = made.open_store(local)
    monkeypatch.setattr(made, "open_store", lambda uri: opened)
    found = recorded("https://ann:secret@example.org/mlflow/", make_build())
    assert found is not None
    assert found.address == f"https://example.org/mlflow/{run_address(run.info.experiment_id, run.info.run_id)}"


def test_a_machine_in_words() -> None:
    assert made.machine({CPU: "Example CPU"}) == "Example CPU"
    assert made.machine({CPU: "Example CPU", CORES: "1", GPU: "Example GPU"}) == "Example CPU, 1 core, Example GPU"
    twice = [{CPU: "A", CORES: "2"}, {CPU: "A", CORES: "2"}, {}, {CPU: "B"}]
    assert made.machines(twice) == ("A, 2 cores", "B")
