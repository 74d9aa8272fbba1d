"""A classifier of torchvision with its published weights."""

from pathlib import Path

import pyarrow as pa
import torch
from PIL import Image

from sprout.config.pretrained import TORCHVISION
from sprout.data.listing import Array, Faults
from sprout.data.prepare.decode import ImageFormat, decode_array, upright
from sprout.data.prepare.fault import as_fault
from sprout.data.prepare.image_file import decode_file
from sprout.models.predictor import max_batch
from sprout.predict.image_files import MAX_PIXELS
from sprout.predict.predictions import classes_to_name
from sprout.predict.replicas import Replicas, on_cpu_alone
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.tasks.class_outcomes import softmax
from sprout.tasks.classify import Classify
from sprout.weights.published import build_network, cached_file, published_weights
from sprout.weights.tensor_file import load_tensors

IN_COLOUR = ImageFormat(size=None, channels=3, resize="none", max_pixels=MAX_PIXELS)


class TorchvisionModel:
    """Predicts classes of ImageNet."""

    task: type[Task] = Classify
    takes_images = True

    def __init__(self, name: str, weights: Path | None, devices: list[torch.device], top: int | None) -> None:
        """Build the network.

        Args:
            name: of the network in torchvision.
            weights: a file with its weights; None fetches the published ones.
            devices: that it computes on.
            top: classes that are to be named, if the user has said; checked before weights are fetched.

        Raises:
            UserError: there is no such network, or these are not its weights.
            UnreachableError: the weights cannot be fetched.
        """
        self.name = TORCHVISION + name
        published = published_weights(name, f"--model {self.name}")
        self.classes: list[str] = published.meta["categories"]
        classes_to_name(self.name, self.task.target, len(self.classes), top, 1)
        self.transforms = published.transforms()
        (side,) = self.transforms.crop_size
        self.shape: tuple[int, ...] = (side, side, 3)
        file = cached_file(published.url, "give it with --weights FILE") if weights is None else weights
        if not file.is_file():
            raise UserError(f"--weights {file}: no such file; give one with a state dict")
        network = build_network(name, published, load_tensors(file, f"--weights {file}"), f"--weights {file}")
        self.batch = len(devices) * max_batch(network, self.shape)
        self.network = network if on_cpu_alone(devices) else Replicas(network, devices)

    def image_format(self) -> ImageFormat:
        """Images of any size."""
        return IN_COLOUR

    def column_names(self) -> set[str]:
        """None, as it takes images."""
        return set()

    def read_file(self, root: str, path: str) -> Array:
        """An image file, transformed as in the network's training: (C, H, W) float32.

        Raises:
            Fault: it cannot be read.
        """
        return self._transformed(decode_file(root, path, IN_COLOUR))

    def read_pixels(self, pixels: Array) -> Array:
        """An image, transformed as in the network's training: (C, H, W) float32.

        Raises:
            Fault: it cannot be converted.
        """
        return self._transformed(decode_array(pixels, IN_COLOUR))

    def read_picture(self, image: Image.Image) -> Array:
        """An image of Pillow, transformed as in the network's training: (C, H, W) float32.

        Raises:
            Fault: it cannot be read or converted.
        """
        with as_fault():
            return self._transformed(upright(image, IN_COLOUR))

    def read_rows(self, rows: pa.RecordBatch, what: str) -> tuple[Array, Faults]:
        """Refuse rows of a table.

        Raises:
            UserError: always.
        """
        raise UserError(f"{what}: are rows of a table; {self.name} takes images")

    def _transformed(self, pixels: Array) -> Array:
        transformed: Array = self.transforms(Image.fromarray(pixels)).numpy()
        return transformed

    @torch.inference_mode()
    def predict_array(self, images: Array) -> Array:
        """Probabilities for images as they were read: (N, C, H, W) → (N, K) float32."""
        return softmax(self.network(torch.from_numpy(images)).numpy(), None)
