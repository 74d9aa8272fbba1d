"""A model folder's model, on image files."""

from pathlib import Path

import numpy as np

from sprout.config.made_with import LOCK, read_lock, sections
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array
from sprout.models.card import ModelCard, load_card
from sprout.models.predictor import load_predictor
from sprout.predict.answers import Answer, likeliest
from sprout.runtime.errors import UserError

SHOWN = 3
"""Classes that are named if nothing is said."""
MAX_PIXELS = 100_000_000
"""Where no `dvc.lock` says what `prepare.max_pixels` was."""


class Trained:
    """Gives classes, numbers or clusters, as its card says."""

    def __init__(self, folder: Path, resize: str | None, top: int | None) -> None:
        """Open the folder.

        Args:
            folder: with `model.json` and `model.safetensors`.
            resize: how images of another size are brought to the model's; None takes what its data was prepared with.
            top: how many classes are named.

        Raises:
            UserError: there is no such model, or it is none for this.
        """
        card = load_card(folder)
        refuse(folder, card)
        self.heads, self.top = heads(folder, card, top)
        self.resize, self.max_pixels = decoding(folder, resize)
        self.predictor = load_predictor(folder)
        self.network = self.predictor.network
        self.classes = card.classes
        self.shape = tuple(card.input_shape)

    def read(self, root: str, path: str) -> Array:
        """An image file as `prepare` brings it to the model's size: (H, W, C) uint8.

        Raises:
            Fault: it cannot be read or has another size.
        """
        *size, channels = self.shape
        height, width = size
        return decode_file(
            root, path, size=(height, width), channels=channels, resize=self.resize, max_pixels=self.max_pixels
        )

    def answers(self, images: list[Array]) -> list[Answer]:
        """What the model says of images that `read` has given."""
        found = self.predictor.predict(np.stack(images))
        if self.predictor.card.task == "classify":
            return [likeliest(row, self.classes, self.top) for row in found]
        if self.predictor.card.task == "regress":
            return [{"value": float(value)} for value in found]
        return [{"cluster": int(cluster)} for cluster in found]


def refuse(folder: Path, card: ModelCard) -> None:
    """Refuse a model that names nothing, and one that does not look at images."""
    if card.task == "reconstruct":
        raise UserError(
            f"{folder}: restores images and names nothing, so there is nothing to predict; see what it restores in "
            "reports/index.html, or give --model the folder of a model that classifies"
        )
    if len(card.input_shape) != 3 or card.input_shape[2] not in (1, 3):
        shape = "×".join(map(str, card.input_shape))
        kind = (
            f"images of {card.input_shape[2]} channels" if len(card.input_shape) == 3 else f"rows of {shape} features"
        )
        raise UserError(f"{folder}: takes {kind}; predict takes image files, so give --model another folder")


def heads(folder: Path, card: ModelCard, top: int | None) -> tuple[list[str], int]:
    """The heads of the columns, and how many classes are named."""
    if card.task == "classify":
        shown = top_of(str(folder), len(card.classes), top, SHOWN)
        return list(map(str, range(1, shown + 1))), shown
    if top is not None:
        raise UserError(f"--top {top}: {folder} does not name classes ({card.task}); leave it out")
    return ["value" if card.task == "regress" else "cluster"], 0


def top_of(model: str, classes: int, top: int | None, usual: int) -> int:
    """How many classes are named.

    Raises:
        UserError: more than there are.
    """
    if top is not None and not 1 <= top <= classes:
        raise UserError(f"--top {top}: {model} knows {classes} classes; accepted: 1 to {classes}")
    return top or min(usual, classes)


def decoding(folder: Path, resize: str | None) -> tuple[str, int]:
    """How images are brought to size, and how many pixels a file may have.

    The `dvc.lock` of the workspace that the model lies in tells what its data was prepared with.
    """
    place = next((parent for parent in folder.resolve().parents if (parent / LOCK).is_file()), None)
    if place is None:
        if resize is None:
            raise UserError(
                f"{folder}: no {LOCK} in the folders above says how this model's images were brought to size; "
                "say it: --resize fit, crop, stretch or none"
            )
        return resize, MAX_PIXELS
    stages = read_lock(place / LOCK).get("stages") or {}
    prepare = sections(place / LOCK, "prepare", stages.get("prepare", {}))["prepare"]
    return resize or prepare["resize"], prepare["max_pixels"]
