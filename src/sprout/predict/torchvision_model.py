"""A classifier of torchvision with its published weights."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sprout.config.pretrained import TORCHVISION
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array
from sprout.predict.image_files import MAX_PIXELS
from sprout.predict.predictions import Prediction, check_top, most_likely
from sprout.runtime.errors import UserError
from sprout.tasks.classify import softmax
from sprout.weights.published import build_network, cached_file, published_weights
from sprout.weights.tensor_file import load_tensors

DEFAULT_TOP = 5
IN_COLOUR = ImageFormat(size=None, channels=3, resize="none", max_pixels=MAX_PIXELS)


class TorchvisionModel:
    """Predicts classes of ImageNet."""

    def __init__(self, name: str, weights: Path | None, top: int | None) -> None:
        """Build the network.

        Args:
            name: of the network in torchvision.
            weights: a file with its weights; None fetches the published ones.
            top: number of classes to name; None means 5.

        Raises:
            UserError: there is no such network, or these are not its weights.
            UnreachableError: the weights cannot be fetched.
        """
        published = published_weights(name, f"--model {TORCHVISION}{name}")
        self.classes: list[str] = published.meta["categories"]
        self.top = check_top(TORCHVISION + name, len(self.classes), top, DEFAULT_TOP)
        self.columns = [str(rank) for rank in range(1, self.top + 1)]
        self.transforms = published.transforms()
        (side,) = self.transforms.crop_size
        self.shape: tuple[int, ...] = (side, side, 3)
        file = cached_file(published.url, "give it with --weights FILE") if weights is None else weights
        if not file.is_file():
            raise UserError(f"--weights {file}: no such file; give one with a state dict")
        self.network = build_network(name, published, load_tensors(file, f"--weights {file}"), f"--weights {file}")

    def read(self, root: str, path: str) -> Array:
        """Return an image file, transformed as in the network's training: (C, H, W) float32.

        Raises:
            Fault: it cannot be read.
        """
        pixels = decode_file(root, path, IN_COLOUR)
        transformed: Array = self.transforms(Image.fromarray(pixels)).numpy()
        return transformed

    @torch.inference_mode()
    def predict(self, images: list[Array]) -> list[Prediction]:
        """Return one prediction for each image that `read` returned."""
        logits = self.network(torch.from_numpy(np.stack(images))).numpy()
        return [most_likely(row, self.classes, self.top) for row in softmax(logits, None)]
