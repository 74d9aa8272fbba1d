"""`sprout summary`: the network of the current experiment, layer by layer."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from sprout.commands.terminal import CONF, Overrides, print_all

if TYPE_CHECKING:
    from sprout.config.workspace import Params

PREPARED = Path("data/prepared")
MADE_BY = ("download", "prepare")
"""The stages that decide the shape and targets of the examples."""


def summary(overrides: Overrides = None) -> None:
    """Print the network layer by layer. Shows the output shape and the number of parameters of each."""
    from sprout.config.workspace import read_params
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    with waiting("building the network"):
        described = list(describe_network(CONF, read_params(), overrides or []))
    print_all(described)


def describe_network(conf: Path, params: "Params", overrides: Sequence[str]) -> Iterator[Table | str]:
    """Yield a headline and the table of layers.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes to it, such as `model.kernel=5`.

    Raises:
        UserError: there is no data, or other data than these settings need; or the network does not fit it.
    """
    from sprout.commands.layers import format_shape, layer_table
    from sprout.config.compose import compose_config
    from sprout.config.made_with import made_with, refuse_other_data
    from sprout.config.model import MODELS
    from sprout.config.train import GradientDescent, read_training
    from sprout.config.workspace import Build, choice
    from sprout.data.description import describe, read_summary
    from sprout.models.build import build_network
    from sprout.models.normalise import network_shape
    from sprout.runtime.errors import UserError

    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    made = made_with()
    refuse_other_data(composed, {stage: made[stage] for stage in MADE_BY}, params)
    build = Build(composed.text, composed.config)
    architecture, training = choice(build, "model", "name", MODELS), read_training(build, "train")
    if not isinstance(training, GradientDescent):
        raise UserError(f"model.name={architecture.name}: is not a network; its size is found in training")
    described = describe(PREPARED)
    shape = network_shape(read_summary(PREPARED)["shape"])
    training.task.check_data(PREPARED, described, "train")
    classes = len(described.classes)
    if training.task.target == "class" and not classes:
        raise UserError(f"{PREPARED}: the examples have no classes, and {training.task.name} learns them")
    network = build_network(shape, training.method.outputs(training.task, classes), architecture)
    yield f"{architecture.name} on {format_shape(shape)}, {training.method.describe_outputs(training.task, classes)}"
    yield layer_table(network, shape)
