"""Predict image files with a model folder or a network of torchvision."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from torch import nn

from sprout.config.pretrained import TORCHVISION
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.pixels import Array
from sprout.models.predictor import max_batch
from sprout.predict.image_files import ImageFile
from sprout.predict.named_model import model_folder
from sprout.predict.predictions import Prediction
from sprout.runtime.errors import UserError
from sprout.runtime.progress import BAR_DELAY, track


class ImageModel(Protocol):
    """A model that predicts images."""

    classes: list[str]
    columns: list[str]
    """Headers of a prediction's columns."""
    network: nn.Module
    shape: tuple[int, ...]
    """(H, W, C) of an image as the network takes it."""

    def read(self, root: str, path: str) -> Array:
        """Decode an image file; raise a `Fault` if that fails."""

    def predict(self, images: list[Array]) -> list[Prediction]:
        """Return one prediction for each image that `read` returned."""


def open_model(name: str, weights: Path | None, resize: str | None, top: int | None) -> ImageModel:
    """Open a model.

    Args:
        name: a model folder, `torchvision:NAME`, or a model of the tracking store such as `models:/digits@champion`.
        weights: a file with the weights of the latter; None fetches the published ones.
        resize: see `FolderModel`.
        top: number of classes to name; None takes the model's default.

    Raises:
        UserError: there is no such model, or an argument does not fit it.
        UnreachableError: the weights cannot be fetched.
    """
    if name.startswith(TORCHVISION):
        from sprout.predict.torchvision_model import TorchvisionModel

        if resize is not None:
            raise UserError(f"--resize {resize}: {name} has its own way to resize; leave it out")
        return TorchvisionModel(name.removeprefix(TORCHVISION), weights, top)
    from sprout.predict.folder_model import FolderModel

    if weights is not None:
        raise UserError(f"--weights {weights}: is for --model torchvision:NAME; {name} has weights")
    with model_folder(name) as folder:
        return FolderModel(folder, resize, top)


def predict_files(model: ImageModel, files: Sequence[ImageFile]) -> Iterator[tuple[ImageFile, Prediction | Fault]]:
    """Yield each file with its prediction, or with what is wrong with it, in order; show the progress."""
    size = max_batch(model.network, model.shape)
    for batch in batches(track(files, "predict", len(files), delay=BAR_DELAY), size):
        read = [read_image(model, file) for file in batch]
        images = [each for each in read if not isinstance(each, Fault)]
        predictions = iter(model.predict(images) if images else [])
        for file, each in zip(batch, read, strict=True):
            yield file, each if isinstance(each, Fault) else next(predictions)


def batches(files: Iterable[ImageFile], size: int) -> Iterator[list[ImageFile]]:
    """Yield lists of at most `size` files."""
    remaining = iter(files)
    while batch := list(islice(remaining, size)):
        yield batch


def read_image(model: ImageModel, file: ImageFile) -> Array | Fault:
    """Return an image, or what is wrong with the file."""
    if file.fault:
        return Fault(file.fault)
    try:
        with without_pillow_limits():
            return model.read(file.root, file.path)
    except Fault as fault:
        return fault
