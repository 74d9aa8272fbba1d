"""Trainings of random images, put together as the stage `train` does it, for benchmarks to run epoch by epoch."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.open_store import write
from benchmarks.paired import Cost, in_turn, timed
from benchmarks.workspace import PROJECT
from sprout.config.compose import compose_config
from sprout.config.model import MODELS
from sprout.config.train import TRAININGS
from sprout.config.workspace import Build, choice
from sprout.data.dataset import Examples
from sprout.data.store import open_store
from sprout.engine.fit import deterministic, make_loop, quiet
from sprout.engine.loop import Loop
from sprout.engine.plan import Log
from sprout.engine.tasks import make_task
from sprout.models import build as build_network
from sprout.models.normalise import network_shape
from sprout.models.predictor import use_threads
from sprout.runtime.signals import requests
from sprout.tracking import Run, tracked_run
from sprout.tracking.connection import outbox
from sprout.tracking.outbox.journal import count_waiting

CLASSES = 10
MEAN, STD = 0.5, 0.29
"""Of uniformly drawn pixels in 0..1."""
THREADS = 2
PATIENCE = 60.0  # seconds
MOVES = {"flip": 0.5, "shift": 0.1, "rotate": 10.0, "zoom": 0.1, "shear": 5.0}
"""The augmentation of all benchmarks that have one."""
Data = tuple[Examples, Examples]


def random_data(folder: Path, train: int, val: int, shape: tuple[int, ...] = (28, 28, 1)) -> Data:
    """Stores of random images with random classes, and their examples."""
    for seed, (split, images) in enumerate((("train", train), ("val", val))):
        write(folder / split, images, shape, seed)
    return open_data(folder)


def open_data(folder: Path) -> Data:
    """What `random_data` has written."""
    train, val = (Examples.of(open_store(folder / split), target="label") for split in ("train", "val"))
    return train, val


def compose(*overrides: str) -> Build:
    """A build of the project's conf/; overrides say what a benchmark wants otherwise."""
    composed = compose_config(PROJECT / "conf", "digits", [f"train.threads={THREADS}", "train.lr=0.001", *overrides])
    return Build(composed.text, composed.config)


def moving(moves: dict[str, float]) -> list[str]:
    """Overrides that augment in training."""
    return [f"train.transforms.{key}={value}" for key, value in moves.items()]


def make_training(data: Data, build: Build, checkpoints: Path, log: Log) -> Loop:
    """Put a training together from a build's settings."""
    settings: dict[str, Any] = asdict(choice(build, "train", "method", TRAININGS))
    task, threads = settings.pop("task"), settings.pop("threads")
    for key in ("method", "normalise"):
        del settings[key]
    use_threads(threads)
    torch.manual_seed(settings["seed"])
    train, val = data
    shape = network_shape(train.shape)
    network = build_network(shape, CLASSES, **asdict(choice(build, "model", "name", MODELS)))
    with quiet():
        return make_loop(
            network,
            train,
            val,
            task=make_task(task, train.targets, CLASSES, 1.0),
            targets=(train.targets, val.targets),
            mean=[MEAN] * shape[0],
            std=[STD] * shape[0],
            checkpoints=checkpoints,
            log=log,
            what="benchmark",
            **settings,
        )


def run_epoch(loop: Loop) -> None:
    """One epoch of a training, surrounded as `fit` does it; what is set for it is undone for the reference."""
    with quiet(), deterministic("cpu"), requests() as request:
        loop.run_epoch(request)


def epochs_in_turn(
    ours: Loop, reference: Loop, pairs: int, cost: Callable[[Callable[[], None]], Cost] = timed
) -> tuple[list[Cost], list[Cost]]:
    """Epochs of two trainings, one after the other; `cost` is how ours are timed."""
    for loop in (ours, reference):
        run_epoch(loop)  # warm
    return in_turn(lambda: cost(lambda: run_epoch(ours)), lambda: timed(lambda: run_epoch(reference)), pairs)


def untracked(metrics: dict[str, float], step: int) -> None:
    """Log nothing."""


@contextmanager
def own_store(build: Build) -> Iterator[Run]:
    """A run tracked in a new MLflow store on SQLite."""
    with (
        TemporaryDirectory(prefix="sprout-tracking-") as scratch,
        patch.dict(os.environ, {"DVC_ROOT": scratch}),
        tracked_run(build, "train", f"sqlite:///{scratch}/mlruns/mlflow.db", nested=False) as run,
    ):
        drain()
        yield run


def drain() -> None:
    """Wait until the store has all that was said: it is sent in the background, which the reference shall not pay.

    Raises:
        TimeoutError: the store takes nothing.
    """
    end = time.monotonic() + PATIENCE
    while count_waiting(outbox()):
        if time.monotonic() > end:
            raise TimeoutError(f"{outbox()}: the tracking store has taken nothing for {PATIENCE:.0f} s")
        time.sleep(0.05)


def timed_with_sending(run: Callable[[], None]) -> Cost:
    """What a tracked call takes: its wall time to its end, and its CPU time until the store has all of it."""
    start = time.process_time()
    wall = timed(run).wall
    drain()
    return Cost(wall, time.process_time() - start)
