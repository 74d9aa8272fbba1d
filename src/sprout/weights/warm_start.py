"""A network that starts from the weights of another one, with a new head (transfer learning)."""

from pathlib import Path

from torch import nn

from sprout.models.features import last_dense
from sprout.runtime.errors import UserError
from sprout.runtime.model_folder import WEIGHTS
from sprout.weights.tensor_file import load_tensors

COUNTER = ".num_batches_tracked"
"""Batch norm's counter of batches, which older files lack and which does not affect the outputs."""
BACKBONE = "network."
"""Prefix of a backbone's weights before torchvision's own names."""


def head_of(network: nn.Module) -> str:
    """Return the name of the head, the last dense layer.

    Raises:
        UserError: there is none.
    """
    name = last_dense(network)
    if name is None:
        raise UserError("pretrained.source: the network has no dense layer at its end, so it cannot take weights over")
    return name


def load_pretrained(network: nn.Module, folder: Path, *, head: bool = False, key: str = "pretrained.source") -> None:
    """Load weights into a network: all of them, or all but the head's.

    Args:
        network: is changed.
        folder: what the stage `pretrained` wrote, or the teacher's model folder.
        head: whether to load the last dense layer too; that of a classifier may be for other classes.
        key: the setting that has chosen them, for messages.

    Raises:
        UserError: there are no weights, or they are those of another network.
    """
    path = folder / WEIGHTS
    weights = load_tensors(path, f"{path} (run `dvc repro pretrained`)")
    state, skipped = network.state_dict(), None if head else f"{head_of(network)}."
    if not any(name in state for name in weights):
        weights = {f"{BACKBONE}{name}": tensor for name, tensor in weights.items()}
    for name, tensor in state.items():
        if (skipped and name.startswith(skipped)) or (name.endswith(COUNTER) and name not in weights):
            continue
        if name not in weights or weights[name].shape != tensor.shape:
            found = f"{tuple(weights[name].shape)}" if name in weights else "missing"
            raise UserError(
                f"{key}: the weights do not fit the network: {name} has shape {tuple(tensor.shape)} in the "
                f"network and is {found} in the file; choose the model that they were trained with"
            )
        state[name] = weights[name]
    network.load_state_dict(state)
