"""One more tracked training on data that the pipeline has prepared."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sprout.config.compose import Composed, compose_config, key_of
from sprout.config.exp_run import exp_run
from sprout.config.made_with import STAGES, made_with
from sprout.config.model import MODELS
from sprout.config.results import Tracking
from sprout.config.train import TRAININGS, Training
from sprout.config.tree import leaves
from sprout.config.validate import written
from sprout.config.workspace import Build, Params, choice, section
from sprout.data.store import open_store
from sprout.runtime.errors import UserError
from sprout.runtime.launch import started_as_ranks

if TYPE_CHECKING:
    from sprout.engine.trial import Trial

STORES = ("data/prepared/train", "data/augmented", "data/prepared/unlabelled")
TAKES = ("model", "train", "tracking")
"""The sections that a training on given data reads."""


def train_once(conf: Path, params: Params, overrides: Sequence[str]) -> None:
    """Train on true labels, as one run of its own; nothing that DVC keeps is touched.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes for this training.

    Raises:
        UserError: the overrides would have no effect or need other data, or there is no data.
    """
    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    refuse_without_effect(composed, len(params.overrides), "sprout train", TAKES)
    refuse_other_data(composed, made_with(), params)
    build = Build(composed.text, composed.config)
    training: Training = choice(build, "train", "method", TRAININGS)
    for folder in STORES:
        open_store(Path(folder))  # refused here, before anything heavy is imported
    if not started_as_ranks(*training.processes):
        with TemporaryDirectory() as folder:
            train_beside(Path(folder) / "model", build, role="train")


def train_beside(folder: Path, build: Build, role: str, trial: "Trial | None" = None) -> None:
    """Train on the prepared data into a model folder, beside the pipeline.

    Raises:
        UserError: the data, or settings on such data, are none that can be trained with.
        Paused, Pruned: the trial's sweep has left it.
    """
    from sprout.data.dataset import Examples
    from sprout.engine.tracked import train_tracked

    settings = asdict(choice(build, "train", "method", TRAININGS)) | asdict(section(build, "tracking", Tracking))
    settings["architecture"] = asdict(choice(build, "model", "name", MODELS))
    examples = Examples.open(*STORES)
    train_tracked(folder, examples, Path("data/prepared"), build, role=role, trial=trial, **settings)


def refuse_without_effect(composed: Composed, first: int, command: str, takes: Sequence[str]) -> None:
    """Refuse, from this override on, to change a section that the command would only record, not read."""
    for override in composed.overrides[first:]:
        place = key_of(override).split("@")[-1].replace("/", ".")
        if place.split(".")[0] not in (*takes, *STAGES, "experiment"):
            raise UserError(
                f"{override.input_line}: has no effect on one training; {command} takes overrides of "
                f"{', '.join(takes)}, and experiment"
            )


def refuse_other_data(composed: Composed, made: dict[str, dict[str, Any]], params: Params) -> None:
    """Compare, value by value, the sections that each of the data's stages had."""
    for sections in made.values():
        had = dict(leaves(sections))
        wanted = dict(leaves({name: composed.config.get(name) for name in sections}))
        for key in wanted | had:
            if wanted.get(key) != had.get(key):
                raise UserError(
                    f"{key}={written(wanted.get(key))}: the data on disk was made with {written(had.get(key))}; "
                    f"to build it anew: {exp_run(composed, params)}"
                )
