"""What a training hands on: `model.safetensors` and `model.json`. Reading them unpickles nothing."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sprout.core.errors import UserError, one_line
from sprout.core.records import read_json, write_json
from sprout.models import build
from sprout.models.normalise import network_shape


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model again."""

    architecture: dict[str, Any]
    """The section `model`."""
    classes: list[str]
    input_shape: list[int]
    """(H, W, C) of one uint8 image, or (F,) of one float32 row of a table."""
    mean: list[float]
    std: list[float]
    """Per channel, pixels scaled to 0..1; or per feature."""
    temperature: float
    """Logits are divided by it (Guo et al., 2017)."""
    parameters: int
    role: str
    """teacher, student or train."""
    kept: str | None
    """`teacher` where the student is the unchanged teacher, for want of pseudo-labels."""


def save_model(folder: Path, weights: dict[str, Tensor], card: ModelCard) -> None:
    """Write both files into an existing folder."""
    # Copies: safetensors refuses tied weights, which share their memory.
    own = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}
    save_file(own, folder / "model.safetensors")
    write_card(folder, card)


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json`."""
    write_json(folder / "model.json", asdict(card))


def load_card(folder: Path) -> ModelCard:
    """Read `model.json`.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / "model.json"
    if not path.exists():
        raise UserError(f"{path}: no trained model here; `dvc repro` makes one")
    try:
        return ModelCard(**read_json(path))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); `dvc repro` makes it anew") from None


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """The network with its weights, in evaluation mode, and its card.

    Raises:
        UserError: one of the two files is missing or damaged, or they do not fit each other.
    """
    card, path = load_card(folder), folder / "model.safetensors"
    network = build(network_shape(card.input_shape), len(card.classes), **card.architecture)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = one_line(error)
        raise UserError(f"{path}: not this model's weights ({reason}); `dvc repro` makes them anew") from None
    return network.eval(), card
