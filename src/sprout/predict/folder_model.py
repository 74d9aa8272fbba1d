"""The model of a model folder, on image files."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.config.made_with import LOCK, read_lock, sections
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, SizeFault
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array
from sprout.models.card import ModelCard, load_card
from sprout.models.predictor import load_predictor
from sprout.predict.image_files import INPUTS, MAX_PIXELS
from sprout.predict.predictions import Prediction, check_top
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.tasks import task_named
from sprout.tasks.base import Task

DEFAULT_TOP = 3
RESIZING = "--resize fit (the whole image on black), crop or stretch"


class FolderModel:
    """Predicts what its task defines, such as classes, a number or a cluster."""

    def __init__(self, folder: Path, resize: str | None, top: int | None) -> None:
        """Open the folder.

        Args:
            folder: with `model.json` and `model.safetensors`.
            resize: fit, crop, stretch or none, for images of another size; None takes that of the model's data.
            top: number of classes to name; None means 3.

        Raises:
            UserError: there is no such model, or it does not predict images.
        """
        card = load_card(folder)
        task = task_named(card.task)
        refuse_other_models(folder, card, task)
        self.top = classes_to_name(folder, card, task, top)
        self.format = image_format(folder, card, resize)
        self.columns, self.classes, self.shape = task.printed_columns(self.top), card.classes, tuple(card.input_shape)
        self.predictor = load_predictor(folder)
        self.network = self.predictor.network

    def read(self, root: str, path: str) -> Array:
        """Return an image file, decoded and resized as in `prepare`: (H, W, C) uint8.

        Raises:
            Fault: it cannot be read or has another size.
        """
        try:
            return decode_file(root, path, self.format)
        except SizeFault as fault:
            raise Fault(
                f"{str(fault).partition(';')[0]}, as the model's images were not resized; add {RESIZING}"
            ) from None

    def predict(self, images: list[Array]) -> list[Prediction]:
        """Return one prediction for each image that `read` returned."""
        predictions = self.predictor.predict(np.stack(images))
        return [self.predictor.task.printed_prediction(each, self.classes, self.top) for each in predictions]


def refuse_other_models(folder: Path, card: ModelCard, task: type[Task]) -> None:
    """Refuse a model whose predictions cannot be printed, and one whose inputs are not images."""
    if not task.printed_columns(1):
        raise UserError(
            f"{folder}: the task {card.task} has no prediction to print; see its results in reports/index.html, or "
            "give --model the folder of a model that classifies"
        )
    if len(card.input_shape) != 3 or card.input_shape[2] not in (1, 3):
        shape = "×".join(map(str, card.input_shape))
        kind = (
            f"images of {card.input_shape[2]} channels" if len(card.input_shape) == 3 else f"rows of {shape} features"
        )
        raise UserError(f"{folder}: takes {kind}; predict takes image files, so give --model another folder")


def classes_to_name(folder: Path, card: ModelCard, task: type[Task], top: int | None) -> int:
    """Return the number of classes to name; 1 where the task has none."""
    if task.target == "class":
        return check_top(str(folder), len(card.classes), top, DEFAULT_TOP)
    if top is not None:
        raise UserError(f"--top {top}: {folder} does not predict classes ({card.task}); leave it out")
    return 1


def image_format(folder: Path, card: ModelCard, resize: str | None) -> ImageFormat:
    """Return the format of the model's inputs.

    Raises:
        UserError: nothing says how the model's data was resized, and `resize` is None.
    """
    height, width, channels = card.input_shape
    levels = None if card.levels is None else (card.levels[0], card.levels[1])
    prepare = prepared_with(folder)
    resize, most = resize or prepare.get("resize"), prepare.get("max_pixels", MAX_PIXELS)
    if resize is None:
        raise UserError(
            f"{folder}: no {LOCK} in the folders above says how this model's images were resized; "
            "choose: --resize fit, crop, stretch or none"
        )
    return ImageFormat((height, width), channels, resize, most, levels, card.page)


def prepared_with(folder: Path) -> dict[str, Any]:
    """Return how a model's data was prepared: what was logged with it, else what the `dvc.lock` above says; or nothing.

    Raises:
        UserError: a file is damaged.
    """
    if (folder / INPUTS).is_file():
        logged: dict[str, Any] = read_json(folder / INPUTS)
        return logged
    workspace = next((parent for parent in folder.resolve().parents if (parent / LOCK).is_file()), None)
    if workspace is None:
        return {}
    read: dict[str, Any] = sections(workspace / LOCK, "prepare", read_lock(workspace / LOCK).get("prepare", {}))
    return dict(read["prepare"])
