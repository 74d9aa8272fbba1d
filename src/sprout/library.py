"""What a notebook calls beside a model: compose a config, train on the prepared data, read a split.

All of it works on the workspace at or above the current folder, which stays the current folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sprout.commands.terminal import CONF
from sprout.data.store import Array
from sprout.predict.model import Model
from sprout.runtime.errors import UserError

PREPARED = Path("data/prepared")
SPLITS = ("train", "val", "unlabelled", "test")


class Split(NamedTuple):
    """A split of the prepared data."""

    examples: Array
    """(N, H, W, C) uint8 images or (N, F) float32 rows, mapped into memory: what is not used is not read."""
    labels: Array
    """(N,) int64 class indices, −1 where the class is not known; or (N,) float64 numbers to predict."""
    classes: list[str]
    """Class names, by index; none where there are no classes."""
    table: pa.Table
    """The label table: `label`, `value`, `origin`, `group`, `fold`, … of each example."""


class Trained(NamedTuple):
    """A training that has ended."""

    model: Model
    metrics: dict[str, Any]
    """On val, or with folds cross-validated; as in `metrics.json` of a model folder."""


def compose(*overrides: str, experiment: str | None = None) -> dict[str, Any]:
    """The composed and checked config, by section.

    Args:
        overrides: of Hydra, such as `train.lr=0.01`; they come after those of `params.yaml`.
        experiment: a file in `conf/experiment/`; None takes that of `params.yaml`, with its overrides.

    Raises:
        UserError: a key, a value or the experiment is not accepted, or this is not in a workspace.
    """
    from sprout.config.compose import compose_config
    from sprout.config.workspace import read_params

    if wrong := [each for each in overrides if not isinstance(each, str)]:
        raise UserError(f"overrides: {wrong[0]!r} is no text; give each as one, such as compose('train.lr=0.01')")
    with workspace():
        params = read_params()
        given = params.overrides if experiment is None else []
        return compose_config(CONF, experiment or params.experiment, [*given, *overrides]).whole


def read_split(name: str) -> Split:
    """A split of the prepared data: train, val, unlabelled or test.

    Raises:
        UserError: there is no such split, nothing has been prepared, or this is not in a workspace.
    """
    from sprout.data.description import describe
    from sprout.data.store import class_indices, open_store

    if name not in SPLITS:
        raise UserError(f"split {name!r}: unknown; accepted: {', '.join(SPLITS)}")
    with workspace():
        described, store = describe(PREPARED), open_store(PREPARED / name)
        table = store.labels
        examples = store.take(np.arange(len(store))) if store.single is None else store.single
    values = table["value"].to_numpy() if described.target == "number" else class_indices(table)
    return Split(examples, values, described.classes, table)


def train(*overrides: str) -> Trained:
    """Run one more tracked training on the prepared data, as `sprout train` does; DVC's outputs are not touched.

    Args:
        overrides: of the sections `model`, `train` and `tracking`, such as `train.lr=0.01`.

    Raises:
        UserError: an override has no effect on this training or is not accepted, nothing has been prepared, or the
            training would need several processes, which a notebook cannot become.
    """
    from sprout.commands.train import build_of, checked
    from sprout.config.train import read_training
    from sprout.config.workspace import read_params
    from sprout.engine.tracked import train_beside
    from sprout.predict.load import load
    from sprout.runtime.files import read_json

    with workspace(), TemporaryDirectory() as scratch:
        params = read_params()
        build = build_of(checked(CONF, params, overrides), params, overrides)
        if max(read_training(build, "train").processes) > 1:
            raise UserError("train.devices: several processes cannot start from Python; run `sprout train`, or set 1")
        folder = Path(scratch, "model")
        train_beside(folder, build, role="train")
        return Trained(load(folder), read_json(folder / "metrics.json"))


@contextmanager
def workspace() -> Iterator[None]:
    """Be in the nearest workspace while the block runs.

    Raises:
        UserError: there is none.
    """
    from sprout.runtime.workspace import enter_workspace

    here = Path.cwd()
    enter_workspace()
    try:
        yield
    finally:
        os.chdir(here)
