"""The network that the current experiment trains, on the data that lies prepared."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

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
from sprout.settings.model import MODELS

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
    stored, classes = read_json(PREPARED / "summary.json")["shape"], describe(PREPARED).classes
    if not classes:
        raise UserError(f"{PREPARED}: the examples have no classes, and the network is a classifier's")
    shape = network_shape(stored)
    network = build(shape, len(classes), **architecture)
    layers = layout(network, shape)
    yield f"{architecture['name']} on {sides(shape)}, {len(classes)} classes"
    table = Table("", "layer", box=None, pad_edge=False)
    for head in ("output", "parameters"):
        table.add_column(head, justify="right")
    for layer in layers:
        table.add_row(layer.name, layer.what, sides(layer.output), f"{layer.parameters:,}")
    if rest := parameters(network) - sum(layer.parameters for layer in layers):
        table.add_row("", "outside of these layers", "", f"{rest:,}")
    table.add_row("", "all", "", f"{parameters(network):,}")
    yield table


def sides(shape: Sequence[int]) -> str:
    """A shape as people write it: channels, then height and width."""
    return "×".join(map(str, shape))
