"""What a training hands on: `model.safetensors` and `model.json`. Reading them unpickles nothing."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sprout.errors import UserError
from sprout.models import build
from sprout.records import read_json, write_json


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model again."""

    architecture: dict[str, Any]
    """The section `model`."""
    classes: list[str]
    input_shape: list[int]
    """(H, W, C) of one uint8 image."""
    mean: list[float]
    std: list[float]
    """Per channel, pixels scaled to 0..1."""
    temperature: float
    """Logits are divided by it (Guo et al., 2017)."""
    parameters: int
    role: str
    """teacher, student or train."""
    kept: str | None
    """`teacher` where the student is the unchanged teacher, for want of pseudo-labels."""


def save_model(folder: Path, weights: dict[str, Tensor], card: ModelCard) -> None:
    """Write both files into an existing folder."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    write_card(folder, card)


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json`."""
    write_json(folder / "model.json", asdict(card))


def load_card(folder: Path) -> ModelCard:
    """Read `model.json`.

    Raises:
        UserError: there is none.
    """
    path = folder / "model.json"
    if not path.exists():
        raise UserError(f"{path}: no trained model here; `dvc repro` makes one")
    return ModelCard(**read_json(path))


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """The network with its weights, in evaluation mode, and its card."""
    card = load_card(folder)
    height, width, channels = card.input_shape
    network = build((channels, height, width), len(card.classes), **card.architecture)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.eval(), card
