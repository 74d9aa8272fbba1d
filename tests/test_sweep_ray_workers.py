"""The workers of a Ray cluster as the supervisor sees them. Ray is played by threads of this test."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sprout.config.compose import compose_config
from sprout.config.made_with import refuse_without_effect
from sprout.config.train import check_training
from sprout.runtime.errors import UserError
from sprout.sweep import ray_workers
from sprout.sweep.adopt import split
from sprout.sweep.command import SECTIONS
from sprout.sweep.door import Door
from sprout.sweep.ray_workers import RayWorker, Slot, gpus_of_trial, refuse_sqlite, threads_of
from sprout.sweep.search import Search
from sprout.sweep.supervisor import last_line
from sprout.sweep.workers import end_workers, wait_for_messages
from sprout.tracking import InSweep

CONF = Path("conf")


class RayError(Exception):
    pass


class RayTaskError(RayError):
    @property
    def cause(self) -> BaseException | None:
        return self.__cause__


class PlayedRay:
    """Runs the methods of an actor in threads, as soon as there is a slot."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.slot, self.killed, self.taken = threading.Event(), threading.Event(), dict[str, Any]()
        self.slot.set()

    def remote(self, actor: Callable[[], Any]) -> "PlayedRay":
        self.actor = actor()
        return self

    def options(self, **options: Any) -> Any:
        self.taken = options
        methods = {name: SimpleNamespace(remote=partial(self.call, name)) for name in ("run", "terminate")}
        return SimpleNamespace(remote=lambda: SimpleNamespace(**methods))

    def call(self, name: str, *args: Any) -> Any:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                self.slot.wait(60)
                if self.killed.is_set():
                    raise RayError("The actor died because it was killed. Its id is 3f.")
                future.set_result(getattr(self.actor, name)(*args))
            except RayError as error:
                future.set_exception(error)
            except Exception as error:
                failed = RayTaskError("a traceback")
                failed.__cause__ = error
                future.set_exception(failed)

        threading.Thread(target=work, daemon=True).start()
        return SimpleNamespace(future=lambda: future)

    def kill(self, actor: object) -> None:
        self.killed.set()
        self.slot.set()


PROGRAM = """
import json, sys
from multiprocessing.connection import Connection
channel = Connection(int(sys.argv[1]))
channel.send_bytes(json.dumps({"event": "ready"}).encode())
try:
    channel.recv_bytes()
except EOFError:
    sys.exit(0)
sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a worker is a small program; it fails at the first message."""
    (tmp_path / "worker.py").write_text(PROGRAM)
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/worker.py "$3"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sprout.sweep.seat.gpus", lambda: [])


@pytest.fixture
def door() -> Iterator[Door]:
    with closing(Door("127.0.0.1")) as opened:
        yield opened


def message_of(worker: RayWorker) -> Any:
    """What the supervisor gets from a worker."""
    end = time.monotonic() + 60
    while not wait_for_messages([worker]):
        assert time.monotonic() < end, "it says nothing"
    return worker.receive()


@pytest.mark.usefixtures("program")
def test_a_worker_runs_and_ends_when_its_channel_closes(door: Door, tmp_path: Path) -> None:
    ray = PlayedRay()
    worker = RayWorker(ray, door, Slot(2, 1), tmp_path / "log")
    assert ray.taken == {"num_cpus": 2, "num_gpus": 1, "max_concurrency": 2}
    assert message_of(worker) == {"event": "ready"}
    assert worker.waits_for is None
    worker.ready = True
    end_workers([worker], busy=[])
    assert worker.ended.result() == 0
    assert ray.killed.is_set(), "the slot is free again"


@pytest.mark.usefixtures("program")
def test_the_exit_code_of_a_worker_that_dies_is_known(door: Door, tmp_path: Path) -> None:
    worker = RayWorker(PlayedRay(), door, Slot(1, 0), tmp_path / "log")
    assert message_of(worker) == {"event": "ready"}
    worker.send({"trial": None})
    assert message_of(worker) is None
    assert worker.wait() == "with exit code 3"


@pytest.mark.usefixtures("program")
def test_a_busy_worker_is_asked_to_end(door: Door, tmp_path: Path) -> None:
    ray = PlayedRay()
    worker = RayWorker(ray, door, Slot(1, 0), tmp_path / "log")
    assert message_of(worker) == {"event": "ready"}
    end_workers([worker], busy=[worker])
    assert worker.ended.result() in (-15, 0)
    assert ray.actor.ending


def test_a_worker_without_a_slot_is_silent_until_it_is_given_up(door: Door, tmp_path: Path) -> None:
    ray = PlayedRay()
    ray.slot.clear()
    began = time.monotonic()
    worker = RayWorker(ray, door, Slot(2, 1), tmp_path / "log")
    assert worker.waits_for == "a slot (2 CPUs, 1 GPU on one machine)"
    assert wait_for_messages([worker]) == []
    end_workers([worker], busy=[])
    assert time.monotonic() - began < 20
    assert ray.killed.is_set()
    assert ray.actor.process is None
    assert door.expected == {}


def test_a_worker_that_dies_before_it_connects_says_why(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(start: object) -> None:
        raise UserError("/shared: the machine far does not have the folder")

    monkeypatch.setattr("sprout.sweep.seat.check_shared", fails)
    worker = RayWorker(PlayedRay(), door, Slot(1, 0), tmp_path / "log")
    assert message_of(worker) is None
    assert worker.wait() == "with an error"
    assert last_line(worker.log) == "/shared: the machine far does not have the folder"


def test_an_actor_that_is_lost_is_named(door: Door, tmp_path: Path) -> None:
    ray = PlayedRay()
    ray.killed.set()
    worker = RayWorker(ray, door, Slot(1, 0), tmp_path / "log")
    assert message_of(worker) is None
    assert worker.wait() == "with its Ray actor (The actor died because it was killed)"


@pytest.mark.usefixtures("program")
def test_a_lost_connection_ends_a_worker_of_which_ray_knows_nothing_yet(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "LOST_SECONDS", 0.5)
    ray = PlayedRay()
    worker = RayWorker(ray, door, Slot(1, 0), tmp_path / "log")
    assert message_of(worker) == {"event": "ready"}
    worker.ended = Future()
    worker.send({"trial": None})
    assert message_of(worker) is None
    assert worker.wait() == "with its connection"
    assert ray.killed.is_set()


@pytest.mark.parametrize(
    ("machines", "workers", "devices", "gpus", "requested", "threads"),
    [
        ([{"CPU": 16}], 4, 1, 0, 0, 4),
        ([{"CPU": 16}, {"CPU": 16}], 3, 1, 0, 0, 8),  # with 10 threads only two would run at once
        ([{"CPU": 16}, {"CPU": 4}], 2, 1, 0, 0, 8),
        ([{"CPU": 16}], 2, 4, 0, 0, 2),
        ([{"CPU": 16}], 2, 1, 0, 3, 3),
        ([{"CPU": 16}], 8, 1, 0, 3, 2),
        ([{"CPU": 16}], 40, 1, 0, 0, 1),
        ([{"CPU": 64, "GPU": 8}, {"CPU": 128}], 8, 1, 1, 0, 8),
        ([{"CPU": 64, "GPU": 2}], 8, 1, 1, 0, 32),  # two at once in any case
        ([{"CPU": 0}], 2, 1, 0, 5, 1),
        ([], 2, 1, 0, 0, 1),
    ],
)
def test_threads_are_as_many_as_let_all_workers_run_at_once(
    machines: list[dict[str, float]], workers: int, devices: int, gpus: int, requested: int, threads: int
) -> None:
    assert threads_of(machines, workers, devices, gpus, requested) == threads


@pytest.mark.parametrize(
    ("accelerator", "machines", "gpus"),
    [
        ("auto", [{"CPU": 4}, {"CPU": 4, "GPU": 2}], 2),
        ("cuda", [{"GPU": 2}], 2),
        ("cpu", [{"GPU": 2}], 0),
        ("auto", [{"CPU": 4}], 0),
    ],
)
def test_a_trial_takes_gpus_where_there_are_some(accelerator: str, machines: list[dict[str, float]], gpus: int) -> None:
    overrides = [f"train.accelerator={accelerator}", "train.devices=2"]
    training = check_training("train", compose_config(CONF, "digits", overrides).config["train"])
    assert gpus_of_trial(training, machines) == gpus


def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused() -> None:
    training = check_training("train", compose_config(CONF, "digits", ["train.accelerator=cuda"]).config["train"])
    with pytest.raises(UserError, match=r"^train\.accelerator=cuda: the Ray cluster has no GPUs; accepted: auto, cpu"):
        gpus_of_trial(training, [{"CPU": 4}])


def test_a_store_that_several_machines_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match=r"`mlflow server --host ADDRESS --backend-store-uri sqlite:////w/m\.db`"):
        refuse_sqlite("sqlite:////w/m.db")
    refuse_sqlite("http://first-machine:5000")
    refuse_sqlite("postgresql://first-machine/mlflow")


def test_where_a_sweep_runs_changes_nothing_of_a_trial_and_of_what_is_adopted() -> None:
    here, there = (compose_config(CONF, "digits", [*cluster, "train.lr=0.1"]) for cluster in ([], ["cluster=ray"]))
    refuse_without_effect(there, 0, "sprout sweep", SECTIONS)
    params = {"train.lr": 0.01, "train.batch_size": 32, "model.dropout": 0.1}
    specs = [Search(CONF, each).spec(InSweep("key", "name"), Path("results"), 2, 7, params) for each in (here, there)]
    assert specs[0] == specs[1]
    assert "threads: 2" in specs[0].builds[0]
    assert split(CONF, here) == split(CONF, there)
