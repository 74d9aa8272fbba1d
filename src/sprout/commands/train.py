"""`sprout train`: one more tracked training on data that the pipeline has prepared."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sprout.commands.terminal import CONF, Overrides

if TYPE_CHECKING:
    from sprout.config.compose import Composed
    from sprout.config.workspace import Build, Params

TAKES = ("model", "train", "tracking")
"""The sections that a training on prepared data reads."""


def train(overrides: Overrides = None) -> None:
    """Run one more tracked training on the prepared data. DVC's outputs are not touched."""
    from sprout.config.workspace import read_params
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    train_once(CONF, read_params(), overrides or [])


def train_once(conf: Path, params: "Params", overrides: Sequence[str]) -> None:
    """Train on true labels, as a run of its own, into a temporary folder.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes for this training.

    Raises:
        UserError: the overrides would have no effect or need other data, or there is no data.
    """
    from sprout.config.cluster import SECTION, chosen
    from sprout.config.train import read_training
    from sprout.runtime.launch import started_as_ranks
    from sprout.runtime.progress import waiting

    composed = checked(conf, params, overrides, (*TAKES, SECTION))
    build, engine = build_of(composed, params, overrides), chosen(composed.outside[SECTION]).with_kernels().start()
    if not started_as_ranks(*read_training(build, "train").processes, engine.run_nodes):
        with waiting("importing PyTorch"):
            from sprout.engine.tracked import train_beside

        with TemporaryDirectory() as folder:
            train_beside(Path(folder) / "model", build, role="train")


def build_of(composed: "Composed", params: "Params", overrides: Sequence[str]) -> "Build":
    """The build of a training."""
    from sprout.config.workspace import Build

    return Build(composed.text, composed.config, (*params.overrides, *overrides))


def checked(conf: Path, params: "Params", overrides: Sequence[str], takes: Sequence[str] = TAKES) -> "Composed":
    """The composed config of a training; fails before anything heavy is imported.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes for this training.
        takes: the sections that they may change.

    Raises:
        UserError: as `train_once`.
    """
    from sprout.config.compose import compose_config
    from sprout.config.made_with import made_with, refuse_other_data, refuse_without_effect
    from sprout.data.store import STORES, open_store

    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    refuse_without_effect(composed, len(params.overrides), "sprout train", takes)
    refuse_other_data(composed, made_with(), params)
    for folder in STORES:
        open_store(Path(folder))
    return composed
