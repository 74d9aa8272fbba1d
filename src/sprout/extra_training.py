"""One more tracked training on data that the pipeline has prepared."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.core.build import Build
from sprout.core.errors import UserError
from sprout.core.ranks import started_as_ranks
from sprout.core.store import open_store
from sprout.core.validate import written
from sprout.core.workspace import Params, choice, section
from sprout.settings.compose import Composed, compose_config
from sprout.settings.exp_run import exp_run
from sprout.settings.model import MODELS
from sprout.settings.tracking import Tracking
from sprout.settings.train import Train
from sprout.settings.tree import leaves

DATA = ("download", "prepare", "augment")


def train_once(conf: Path, params: Params, built: Build, overrides: Sequence[str]) -> None:
    """Train on true labels, as one run of its own; nothing that DVC keeps is touched.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        built: the config that the data on disk was made with.
        overrides: changes to it for this training.

    Raises:
        UserError: the overrides would need other data.
    """
    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    refuse_other_data(composed, built, params)
    build = Build(composed.text, composed.config)
    settings = asdict(section(build, "train", Train)) | asdict(section(build, "tracking", Tracking))
    settings["architecture"] = asdict(choice(build, "model", "name", MODELS))
    given, copies = open_store(Path("data/prepared/train")), open_store(Path("data/augmented"))
    if started_as_ranks(settings["devices"], settings["nodes"]):
        return

    from sprout.training.batches import Examples
    from sprout.training.tracked import train_tracked

    with TemporaryDirectory() as folder:
        examples = Examples.of(given, copies)
        train_tracked(Path(folder) / "model", examples, Path("data/prepared"), build, role="train", **settings)


def refuse_other_data(composed: Composed, built: Build, params: Params) -> None:
    """Compare the sections that made the data, value by value."""
    wanted = dict(leaves({name: composed.config[name] for name in DATA}))
    made = dict(leaves({name: built.config.get(name) for name in DATA}))
    for key in wanted | made:
        if wanted.get(key) != made.get(key):
            raise UserError(
                f"{key}={written(wanted.get(key))}: the data on disk was made with {written(made.get(key))}; "
                f"to build it anew: {exp_run(composed, params)}"
            )
