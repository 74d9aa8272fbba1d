"""A server that fails while a training is tracked: the training goes on, and each metric is recorded exactly once."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faulty_store import DELAY, Fault, Proxy, proxy_of
from benchmarks.training import compose, make_training, random_data, run_epoch
from running import TrackingServer
from sprout.config.workspace import Build
from sprout.engine.loop import Loop
from sprout.tracking import Run, RunInfo, tracked_run
from sprout.tracking.outbox.contents import find_journals, send_now
from sprout.tracking.outbox.sender import senders
from tracked_runs import outbox, points, runs_of, wait_for

Points = dict[str, list[tuple[int, float]]]


@pytest.fixture(autouse=True)
def short_waits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's end waits less for a store that does not answer."""
    for name, seconds in (("PATIENCE", 0.5), ("QUIET", 0.5), ("LONGEST", 1.0)):
        monkeypatch.setattr(f"sprout.tracking.outbox.sender.{name}", seconds)


@pytest.fixture
def proxy(server: TrackingServer) -> Iterator[Proxy]:
    with proxy_of(server.uri) as proxy:
        yield proxy


class Training:
    """A training of a small CNN that logs every step, and what it has logged."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.build: Build = compose(f"train.seed={seed}", "train.log_steps=1", "train.threads=1")
        self.logged: Points = defaultdict(list)
        self.folder = folder / f"training-{seed}"

    def info(self, uri: str) -> RunInfo:
        return RunInfo(self.build, "train", uri, nested=False)

    def loop(self, run: Run) -> Loop:
        """Return the loop, which logs to the run."""

        def log(values: Any, step: int) -> None:
            for name, value in values.items():
                self.logged[name].append((step, float(value)))
            run.log_metrics(values, step)

        return make_training(random_data(self.folder, 400, 100), self.build, self.folder / "checkpoints", log)

    def tracked(self, uri: str) -> Points:
        """Return what the store has."""
        (run,) = runs_of(uri, build=self.build.name)
        return {name: points(uri, run, name) for name in self.logged}

    def status(self, uri: str) -> str:
        (run,) = runs_of(uri, build=self.build.name)
        return str(run.info.status)


def train(training: Training, uri: str, fail: Callable[[], None]) -> float:
    """Train an epoch that is sent, and three more from the moment of a failure; return the seconds of the latter."""
    with tracked_run(training.info(uri)) as run:
        loop = training.loop(run)
        run_epoch(loop)
        wait_for(lambda: bool(runs_of(uri, build=training.build.name)) and any(training.tracked(uri).values()), "sent")
        fail()
        began = time.monotonic()
        for _ in range(3):
            run_epoch(loop)
        return time.monotonic() - began


def send_rest() -> None:
    """Send what the failure has kept back, once requests that are under way have ended."""
    wait_for(lambda: not senders(), "the requests that are under way end")
    assert send_now(find_journals([])) == []


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.LOST, Fault.SLOW])
def test_a_server_that_answers_badly(root: Path, server: TrackingServer, proxy: Proxy, fault: Fault) -> None:
    training = Training(root, seed=[*Fault].index(fault))

    def fail() -> None:
        proxy.fault = fault

    seconds = train(training, proxy.uri, fail)
    assert seconds < DELAY  # no call has waited for an answer
    assert len(outbox(root)) == 1
    proxy.fault = Fault.NONE
    send_rest()
    assert training.tracked(server.uri) == training.logged
    assert training.status(server.uri) == "FINISHED"
    assert outbox(root) == []


def test_a_server_that_is_killed_and_is_absent(
    root: Path, server: TrackingServer, capfd: pytest.CaptureFixture[str]
) -> None:
    killed, absent = Training(root, seed=10), Training(root, seed=11)
    train(killed, server.uri, server.service.end)
    with tracked_run(absent.info(server.uri)) as run:
        run_epoch(absent.loop(run))
    assert len(outbox(root)) == 2
    assert f"the tracking store {server.uri} cannot be used now" in capfd.readouterr().err
    server.service.start()
    server.wait()
    send_rest()
    for training in (killed, absent):
        assert training.tracked(server.uri) == training.logged
        assert training.status(server.uri) == "FINISHED"
