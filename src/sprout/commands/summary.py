"""A network layer by layer: what each one is, what leaves it, and how many numbers it trains."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from sprout.commands.train import refuse_other_data
from sprout.config.compose import compose_config
from sprout.config.made_with import made_with
from sprout.config.model import ESTIMATORS, MODELS
from sprout.config.workspace import Build, Params, choice
from sprout.data.description import describe
from sprout.models import build, parameters
from sprout.models.normalise import network_shape
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json


@dataclass(frozen=True)
class Layer:
    """One call of a module that holds no others."""

    name: str
    """Its place in the network, as in the names of the weights."""
    what: str
    """As torch writes it."""
    output: tuple[int, ...]
    """(C, H, W) or (F,) of one example."""
    parameters: int
    """Numbers that are trained; 0 where an earlier call of the same module has counted them."""


def layout(network: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """The layers that one example passes, in its order.

    Args:
        network: any.
        input_shape: (C, H, W) of one image, or (F,) of one row of a table.
    """
    found: list[Layer] = []
    seen: set[nn.Module] = set()

    def note(name: str, module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            count = 0 if module in seen else parameters(module)
            found.append(Layer(name, str(module), tuple(output.shape[1:]), count))
            seen.add(module)

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in leaves
    ]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, *input_shape))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found


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
