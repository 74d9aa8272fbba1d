"""A network of torchvision with the weights that it is published with, on image files."""

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import models

from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array
from sprout.models.predictor import softmax
from sprout.models.weights.torchvision import fetched, read_weights, taken_for
from sprout.predict.answers import Answer, likeliest
from sprout.predict.trained import MAX_PIXELS, top_of
from sprout.runtime.errors import UserError, one_line

PREFIX = "torchvision:"
SHOWN = 5
"""Classes that are named if nothing is said."""


class Pretrained:
    """Gives the classes of ImageNet."""

    def __init__(self, name: str, weights: Path | None, top: int | None) -> None:
        """Build the network.

        Args:
            name: as torchvision has it.
            weights: a file with its weights; None takes those of torchvision's hub.
            top: how many classes are named.

        Raises:
            UserError: there is no such network, or these are not its weights.
            UnreachableError: the weights cannot be fetched.
        """
        published = published_weights(name)
        self.classes: list[str] = published.meta["categories"]
        self.top = top_of(PREFIX + name, len(self.classes), top, SHOWN)
        self.heads = list(map(str, range(1, self.top + 1)))
        self.transforms = published.transforms()
        (side,) = self.transforms.crop_size
        self.shape: tuple[int, ...] = (side, side, 3)
        file = fetched(published.url) if weights is None else weights
        self.network = network_with(name, published, file)

    def read(self, root: str, path: str) -> Array:
        """An image file as the network was trained to see it: (C, H, W) float32.

        Raises:
            Fault: it cannot be read.
        """
        colour = decode_file(root, path, size=None, channels=3, resize="none", max_pixels=MAX_PIXELS)
        found: Array = self.transforms(Image.fromarray(colour)).numpy()
        return found

    @torch.inference_mode()
    def answers(self, images: list[Array]) -> list[Answer]:
        """What the network says of images that `read` has given."""
        logits = self.network(torch.from_numpy(np.stack(images))).numpy()
        return [likeliest(row, self.classes, self.top) for row in softmax(logits, None)]


def published_weights(name: str) -> Any:
    """Torchvision's best weights of a network that classifies.

    Raises:
        UserError: there is none of this name.
    """
    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5)
        more = f"did you mean {', '.join(near)}?" if near else f"accepted: {', '.join(known)}"
        raise UserError(f"--model {PREFIX}{name}: torchvision has no network of this name that classifies; {more}")
    return models.get_model_weights(name).DEFAULT


def network_with(name: str, published: Any, file: Path) -> nn.Module:
    """The network with the weights of a file, in evaluation mode.

    Raises:
        UserError: they are no weights, or those of another network.
    """
    weights = read_weights(file)
    try:
        with taken_for(published, weights):
            network: nn.Module = models.get_model(name, weights=published)
    except (RuntimeError, ValueError) as error:
        reason = one_line(error)[:300]
        raise UserError(f"{file}: not the weights of torchvision's {name} ({reason}); give --weights others") from None
    return network.eval()
