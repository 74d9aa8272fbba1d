"""What a training hands on: `model.safetensors` and `model.json`. Reading them unpickles nothing."""

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from sprout.data.description import Column, columns_from
from sprout.models.architecture import Architecture, architecture_from_dict
from sprout.runtime.checksums import REMEDY, renew_sum, write_sums
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import write_json
from sprout.runtime.model_folder import CARD, WEIGHTS, read_card
from sprout.weights.tensor_file import save_tensors

OUT_OF_FOLD = "out_of_fold.npy"
"""The file of a model folder with what cross-validation gives for each training example, as `Task.examine` does."""


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model again."""

    task: str
    """The name of what it has learned, in `sprout.tasks`."""
    architecture: Architecture
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
    """teacher, control, student or train."""
    kept: str | None
    """The model that has the student's place, teacher or control; None for every other model."""
    features: list[str] | None = None
    """Names of a table's features; None for images."""
    columns: list[Column] | None = None
    """How the columns of a table become features; None where the data had features, or images."""
    levels: list[float] | None = None
    """What is black and white in images of more than 8 bits; None means the whole range."""
    page: int = 0
    """Which page of a TIFF or frame of an animation is the image."""


def save_model(folder: Path, weights: dict[str, Tensor], card: ModelCard) -> None:
    """Write both files into an existing folder, and their checksums."""
    save_tensors(folder / WEIGHTS, weights)
    write_json(folder / CARD, asdict(card))
    write_sums(folder, [CARD, WEIGHTS])


def write_card(folder: Path, card: ModelCard) -> None:
    """Write another `model.json` beside the weights, and its checksum; the one that the weights had stays theirs."""
    write_json(folder / CARD, asdict(card))
    renew_sum(folder, CARD)


def load_card(folder: Path) -> ModelCard:
    """Read `model.json`.

    Raises:
        UserError: there is none, or it is damaged.
    """
    values = read_card(folder)
    try:
        architecture, columns = architecture_from_dict(values["architecture"]), columns_from(values.get("columns"))
        return ModelCard(**values | {"architecture": architecture, "columns": columns})
    except (ValueError, TypeError, KeyError, UserError) as error:
        raise UserError(f"{folder / CARD}: damaged ({one_line(error)}); {REMEDY}") from None
