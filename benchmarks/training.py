"""Trainings on random images, assembled as in the stage `train`, which benchmarks run epoch by epoch."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch

from benchmarks.open_store import write
from benchmarks.paired import Cost, alternate, timed
from benchmarks.workspace import PROJECT
from sprout.config.compose import compose_config
from sprout.config.model import MODELS, Model
from sprout.config.train import GradientDescent, read_training
from sprout.config.workspace import Build, choice
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import open_store
from sprout.engine.fit import Trainee, deterministic, make_loop, quiet
from sprout.engine.initial import initial_network
from sprout.engine.loop import Loop
from sprout.models.card import ModelCard
from sprout.models.predictor import use_threads
from sprout.runtime.run_context import Log, RunContext
from sprout.runtime.signals import deferred_signals
from sprout.tasks.classify import Classify
from sprout.tracking import Run, RunInfo, tracked_run
from sprout.tracking.address import outbox
from sprout.tracking.outbox.journal import count_waiting

CLASSES = 10
MEAN, STD = 0.5, 0.29
"""Mean and standard deviation of uniformly distributed pixels in 0..1."""
THREADS = 2
PATIENCE = 60.0  # seconds
TRANSFORMS = {"flip": 0.5, "shift": 0.1, "rotate": 10.0, "zoom": 0.1, "shear": 5.0}
"""The augmentation of the benchmarks."""


def random_data(
    folder: Path, train: int, val: int, shape: tuple[int, ...] = (28, 28, 1), pool: int = 0
) -> TrainingData:
    """Write stores of random images with random classes, and open them; `pool` are unlabelled."""
    for seed, (split, images) in enumerate((("train", train), ("val", val), ("unlabelled", pool))):
        if images:
            write(folder / split, images, shape, seed)
    return open_data(folder)


def open_data(folder: Path) -> TrainingData:
    """Open the stores that `random_data` has written."""
    train, val = (Examples.of(open_store(folder / split), target="label") for split in ("train", "val"))
    pool = folder / "unlabelled"
    return TrainingData(train, val, Examples.of(open_store(pool)) if pool.is_dir() else None)


def compose(*overrides: str) -> Build:
    """Compose a build from the project's conf/ with the overrides of a benchmark."""
    composed = compose_config(PROJECT / "conf", "digits", [f"train.threads={THREADS}", "train.lr=0.001", *overrides])
    return Build(composed.text, composed.config)


def transform_overrides(transforms: dict[str, float]) -> list[str]:
    """Return overrides that augment during training."""
    return [f"train.transforms.{key}={value}" for key, value in transforms.items()]


def make_training(data: TrainingData, build: Build, checkpoints: Path, log: Log) -> Loop:
    """Assemble a training from a build's settings."""
    config = read_training(build, "train")
    assert isinstance(config, GradientDescent)
    use_threads(config.threads)
    torch.manual_seed(config.seed)
    card = card_of(data, choice(build, "model", "name", MODELS))
    model = Trainee(initial_network(card, CLASSES, None, keep_head=False), card)
    with quiet():
        return make_loop(model, data, config, RunContext("benchmark", checkpoints, log))


def card_of(data: TrainingData, architecture: Model) -> ModelCard:
    """Return the card of a classifier of random images, before training."""
    channels = data.train.shape[-1]
    return ModelCard(
        task=Classify.name,
        architecture=architecture,
        classes=[str(index) for index in range(CLASSES)],
        input_shape=list(data.train.shape),
        mean=[MEAN] * channels,
        std=[STD] * channels,
        temperature=None,
        target=None,
        noise=None,
        parameters=0,
        role="train",
        kept=None,
    )


def run_epoch(loop: Loop) -> None:
    """Run one epoch of a training in the same contexts as `fit`, which do not affect the reference."""
    with quiet(), deterministic("cpu"), deferred_signals() as request:
        loop.run_epoch(request)


def alternate_epochs(
    ours: Loop, reference: Loop, pairs: int, cost: Callable[[Callable[[], None]], Cost] = timed
) -> tuple[list[Cost], list[Cost]]:
    """Run epochs of two trainings alternately; `cost` times ours."""
    for loop in (ours, reference):
        run_epoch(loop)  # warm-up
    return alternate(lambda: cost(lambda: run_epoch(ours)), lambda: timed(lambda: run_epoch(reference)), pairs)


@contextmanager
def own_store(build: Build) -> Iterator[Run]:
    """Start a run that is tracked in a new MLflow store on SQLite."""
    with own_run(build, None) as run:
        drain()
        yield run


@contextmanager
def own_run(build: Build, uri: str | None) -> Iterator[Run]:
    """Start a run that is tracked in a store, by default a new one on SQLite, with an outbox of its own."""
    with (
        TemporaryDirectory(prefix="sprout-tracking-", ignore_cleanup_errors=True) as scratch,
        patch.dict(os.environ, {"DVC_ROOT": scratch}),
        tracked_run(RunInfo(build, "train", uri or f"sqlite:///{scratch}/mlruns/mlflow.db", nested=False)) as run,
    ):
        yield run


def drain() -> None:
    """Wait until all records are sent to the store, so that sending does not slow the reference.

    Raises:
        TimeoutError: the store accepts nothing.
    """
    end = time.monotonic() + PATIENCE
    while count_waiting(outbox()):
        if time.monotonic() > end:
            raise TimeoutError(f"{outbox()}: the tracking store has accepted nothing for {PATIENCE:.0f} s")
        time.sleep(0.05)


def timed_with_sending(run: Callable[[], None]) -> Cost:
    """Return the wall time of a tracked call, and its CPU time until all its records are sent."""
    start = time.process_time()
    wall = timed(run).wall
    drain()
    return Cost(wall, time.process_time() - start)
