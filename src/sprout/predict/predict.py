"""Images in, what a model says of each out: on standard output; what cannot be read, on standard error."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from rich.table import Table
from torch import nn

from sprout.data.prepare.decode import unhindered
from sprout.data.prepare.pixels import Array, Fault
from sprout.models.predictor import at_once
from sprout.predict.answers import Answer, as_json, as_line, as_table, widest
from sprout.predict.images import ImageFile, image_files
from sprout.runtime.errors import UserError, printable
from sprout.runtime.progress import track_late

STUDENT = "models/student"


class Model(Protocol):
    """What says something of images."""

    classes: list[str]
    heads: list[str]
    """Of the columns of its answers."""
    network: nn.Module
    shape: tuple[int, ...]
    """Of an image as the network takes it."""

    def read(self, root: str, path: str) -> Array:
        """Decode an image file; a `Fault` says what is wrong with it."""

    def answers(self, images: list[Array]) -> list[Answer]:
        """Look at what `read` has given."""


def predict(
    paths: Sequence[str],
    *,
    model: str,
    weights: Path | None,
    resize: str | None,
    top: int | None,
    json: bool,
    terminal: bool,
    show: Callable[[Table], None],
) -> int:
    """Print what a model says of images.

    Args:
        paths: files and folders.
        model: a model folder, or `torchvision:NAME`.
        weights: a file with the weights of the latter.
        resize: see `Trained`.
        top: how many classes are named.
        json: whether to print JSON.
        terminal: whether a person reads it: then there is a table, at the end.
        show: prints a table.

    Returns:
        The exit code: 1 if some images could not be read.

    Raises:
        UserError: no image could be read, or there is no such model.
        UnreachableError: its weights cannot be fetched.
    """
    files = image_files(paths)
    seer = opened(model, weights, resize, top)
    widths = widest([file.name for file in files]), widest(seer.classes)
    kept: list[tuple[str, Answer]] = []
    sound = 0
    for file, found in looked_at(seer, files):
        if isinstance(found, Fault):
            print(f"{printable(file.name)}: {found}", file=sys.stderr)
            continue
        sound += 1
        if json:
            print(as_json(file.name, found))
        elif terminal:
            kept.append((file.name, found))
        else:
            print(as_line(file.name, found, widths))
    if not sound:
        raise UserError("no image could be read; predict takes image files, and folders of them")
    if kept:
        show(as_table(kept, seer.heads))
    return int(sound < len(files))


def opened(model: str, weights: Path | None, resize: str | None, top: int | None) -> Model:
    """The model that is meant."""
    if model.startswith("torchvision:"):
        from sprout.predict.torchvision import PREFIX, Pretrained

        if resize is not None:
            raise UserError(f"--resize {resize}: {model} brings images to size in its own way; leave it out")
        return Pretrained(model.removeprefix(PREFIX), weights, top)
    from sprout.predict.trained import Trained

    if weights is not None:
        raise UserError(f"--weights {weights}: is for --model torchvision:NAME; the folder {model} has weights")
    return Trained(Path(model), resize, top)


def looked_at(model: Model, files: Sequence[ImageFile]) -> Iterator[tuple[ImageFile, Answer | Fault]]:
    """Each file with what the model says of it, or what is wrong with it; in order."""
    size = at_once(model.network, model.shape)
    for batch in parts(track_late(files, "predict", len(files)), size):
        read = [read_or_fault(model, file) for file in batch]
        images = [each for each in read if not isinstance(each, Fault)]
        answers = iter(model.answers(images) if images else [])
        for file, each in zip(batch, read, strict=True):
            yield file, each if isinstance(each, Fault) else next(answers)


def parts(files: Iterable[ImageFile], size: int) -> Iterator[list[ImageFile]]:
    """So many at a time."""
    left = iter(files)
    while batch := list(islice(left, size)):
        yield batch


def read_or_fault(model: Model, file: ImageFile) -> Array | Fault:
    """An image, or what is wrong with it."""
    if file.fault:
        return Fault(file.fault)
    try:
        with unhindered():
            return model.read(file.root, file.path)
    except Fault as fault:
        return fault
