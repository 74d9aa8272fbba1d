"""What the images of a model look like: from its card, and from how its data was prepared."""

from pathlib import Path
from typing import Any

from sprout.data.prepare.decode import ImageFormat
from sprout.models.card import ModelCard
from sprout.predict.image_files import INPUTS, MAX_PIXELS
from sprout.runtime.files import read_json

NO_RESIZE = "none"
RESIZES = ("fit", "crop", "stretch", NO_RESIZE)
DEFAULT_RESIZE = "fit"
"""How images of another size are resized where the model's data says nothing: the whole image, on black."""


def image_format(folder: Path, card: ModelCard, resize: str | None) -> ImageFormat:
    """The format of the model's inputs: images of another size are resized as its data was, or to fit."""
    return format_of(card, prepared_with(folder), resize)


def format_of(card: ModelCard, prepare: dict[str, Any], resize: str | None = None) -> ImageFormat:
    """The same, where `prepare` is how the data was prepared."""
    height, width, channels = card.input_shape
    levels = None if card.levels is None else (card.levels[0], card.levels[1])
    most = prepare.get("max_pixels", MAX_PIXELS)
    return ImageFormat((height, width), channels, resize or of_data(prepare), most, levels, card.page)


def of_data(prepare: dict[str, Any]) -> str:
    """How images of another size are resized, by the settings that the model's data was prepared with."""
    resize: str = prepare.get("resize", NO_RESIZE)
    return DEFAULT_RESIZE if resize == NO_RESIZE else resize


def logged_with(folder: Path) -> dict[str, Any]:
    """How a model's data was prepared, as it was logged with the model; nothing of a model that was not logged."""
    logged: dict[str, Any] = read_json(folder / INPUTS) if (folder / INPUTS).is_file() else {}
    return logged


def prepared_with(folder: Path) -> dict[str, Any]:
    """How a model's data was prepared: what was logged with it, else what the `dvc.lock` above says; or nothing.

    Raises:
        UserError: a file is damaged.
    """
    from sprout.config.made_with import LOCK, read_lock, sections  # DVC and Hydra, which no logged model needs

    if logged := logged_with(folder):
        return logged
    workspace = next((parent for parent in folder.resolve().parents if (parent / LOCK).is_file()), None)
    if workspace is None:
        return {}
    read: dict[str, Any] = sections(workspace / LOCK, "prepare", read_lock(workspace / LOCK).get("prepare", {}))
    return dict(read["prepare"])
