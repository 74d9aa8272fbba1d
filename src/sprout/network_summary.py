"""The network that the current experiment trains, on the data that lies prepared."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from sprout.core.build import Build
from sprout.core.errors import UserError
from sprout.core.prepared import describe
from sprout.core.records import read_json
from sprout.core.workspace import Params, choice
from sprout.extra_training import refuse_other_data
from sprout.layout import layout
from sprout.models import build, parameters
from sprout.models.normalise import network_shape
from sprout.settings.compose import compose_config
from sprout.settings.made_with import made_with
from sprout.settings.model import ESTIMATORS, MODELS

PREPARED = Path("data/prepared")
MADE_BY = ("download", "prepare")
"""The stages that decide what an example is."""


def summary(conf: Path, params: Params, overrides: Sequence[str]) -> Iterator[Table | str]:
    """What is printed of the network.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes to it, such as `model.kernel=5`.

    Raises:
        UserError: there is no data, or other data than these settings need; or the network does not fit it.
    """
    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    made = made_with()
    refuse_other_data(composed, {stage: made[stage] for stage in MADE_BY}, params)
    architecture = asdict(choice(Build(composed.text, composed.config), "model", "name", MODELS))
    if architecture["name"] in ESTIMATORS:
        raise UserError(f"model.name={architecture['name']}: is no network; its size is found in training")
    described = describe(PREPARED)
    shape = network_shape(read_json(PREPARED / "summary.json")["shape"])
    outputs, said = given(composed.config["train"]["task"], described.classes)
    network = build(shape, outputs, **architecture)
    layers = layout(network, shape)
    yield f"{architecture['name']} on {sides(shape)}, {said}"
    table = Table("", "layer", box=None, pad_edge=False)
    for head in ("output", "parameters"):
        table.add_column(head, justify="right")
    for layer in layers:
        table.add_row(layer.name, layer.what, sides(layer.output), f"{layer.parameters:,}")
    if rest := parameters(network) - sum(layer.parameters for layer in layers):
        table.add_row("", "outside of these layers", "", f"{rest:,}")
    table.add_row("", "all", "", f"{parameters(network):,}")
    yield table


def given(task: dict[str, Any], classes: list[str]) -> tuple[int, str]:
    """How many numbers the network gives for an example, and what they are."""
    match task["kind"]:
        case "regress":
            return 1, "one number"
        case "reconstruct":
            return 1, "the image itself"
        case "cluster":
            return task["code"], f"a code of {task['code']} numbers, for {task['clusters']} clusters"
    if not classes:
        raise UserError(f"{PREPARED}: the examples have no classes, and train.task.kind=classify learns them")
    return len(classes), f"{len(classes)} classes"


def sides(shape: Sequence[int]) -> str:
    """A shape as people write it: channels, then height and width."""
    return "×".join(map(str, shape))
