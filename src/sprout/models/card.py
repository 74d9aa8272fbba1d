"""What a training hands on: `model.safetensors` and `model.json`. Reading them unpickles nothing."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sprout.models import build
from sprout.models.normalise import network_shape
from sprout.models.weights.files import save_tensors
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import read_json, write_json


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model again."""

    task: str
    """classify, regress, reconstruct or cluster."""
    architecture: dict[str, Any]
    """The section `model`, and what training found beside the weights."""
    classes: list[str]
    """Names, by index; none where the data has none."""
    input_shape: list[int]
    """(H, W, C) of one uint8 image, or (F,) of one float32 row of a table."""
    mean: list[float]
    std: list[float]
    """Per channel, pixels scaled to 0..1; or per feature."""
    temperature: float | None
    """Logits are divided by it (Guo et al., 2017); of a classifier alone."""
    target: dict[str, float] | None
    """`mean` and `std` of the number to predict, which is the output times `std` plus `mean`; of a regression alone."""
    noise: float | None
    """Standard deviation of the noise that it has learned to remove, pixels in 0..1; of a reconstruction alone."""
    parameters: int
    role: str
    """teacher, student or train."""
    kept: str | None
    """`teacher` where the student is the unchanged teacher, for want of pseudo-labels."""
    features: list[str] | None = None
    """Names of a table's features; None for images."""

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for one example; an image is none of these."""
        return 1 if self.task == "regress" else len(self.classes)


def save_model(folder: Path, weights: dict[str, Tensor], card: ModelCard) -> None:
    """Write both files into an existing folder."""
    save_tensors(folder / "model.safetensors", weights)
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
    network = build(network_shape(card.input_shape), card.outputs, **card.architecture)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = one_line(error)
        raise UserError(f"{path}: not this model's weights ({reason}); `dvc repro` makes them anew") from None
    return network.eval(), card
