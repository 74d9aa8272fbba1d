"""A network that starts from another one's weights."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sprout.models.features import last_dense
from sprout.runtime.errors import UserError, one_line

COUNTER = ".num_batches_tracked"
"""Batch norm's count of batches, which older files of weights lack, and which says nothing about the images."""
INNER = "network."
"""What a backbone's weights are called inside of it, before torchvision's own names."""


def head_of(network: nn.Module) -> str:
    """The name of the head, the last dense layer.

    Raises:
        UserError: there is none.
    """
    name = last_dense(network)
    if name is None:
        raise UserError("pretrained.source: the network has no dense layer at its end; it cannot take over weights")
    return name


def load_pretrained(network: nn.Module, folder: Path, *, head: bool = False) -> None:
    """Take over weights: all, or all but the head's.

    Args:
        network: whose weights are set.
        folder: as the stage `pretrained` writes it, with weights.
        head: whether the last dense layer's are taken too; those of a classifier are of other classes.

    Raises:
        UserError: there are none, or they are those of another network.
    """
    path = folder / "model.safetensors"
    try:
        given = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)}); run `dvc repro pretrained`") from None
    own, left = network.state_dict(), None if head else f"{head_of(network)}."
    if not any(name in own for name in given):
        given = {f"{INNER}{name}": tensor for name, tensor in given.items()}
    for name, tensor in own.items():
        if (left and name.startswith(left)) or (name.endswith(COUNTER) and name not in given):
            continue
        if name not in given or given[name].shape != tensor.shape:
            has = f"{tuple(given[name].shape)}" if name in given else "nothing"
            raise UserError(
                f"pretrained.source: the weights do not fit the network: {name} is {tuple(tensor.shape)} there and "
                f"{has} among them; take the model that they were trained with"
            )
        own[name] = given[name]
    network.load_state_dict(own)
