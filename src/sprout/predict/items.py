"""What is to be predicted: single examples, each with its name, read when it is their turn."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from PIL import Image

from sprout.data.listing import Array, Faults
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault
from sprout.predict.image_files import ImageFile, files_in, named_file
from sprout.predict.rows import column_of
from sprout.runtime.errors import UserError, listed, one_line, printable


class Reader(Protocol):
    """A model, as far as it reads examples."""

    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) of an image, or (F,) of a row."""

    @property
    def takes_images(self) -> bool:
        """Whether its examples are images."""

    def image_format(self) -> ImageFormat:
        """What its images look like; raises a `UserError` where it takes rows."""

    def column_names(self) -> set[str]:
        """The columns of a table that it takes; none where it takes images."""

    def read_file(self, root: str, path: str) -> Array:
        """Decode an image file under a folder; raises a `Fault`."""

    def read_pixels(self, pixels: Array) -> Array:
        """Convert an image; raises a `Fault`."""

    def read_picture(self, image: Image.Image) -> Array:
        """Convert an image of Pillow; raises a `Fault`."""

    def read_rows(self, rows: pa.RecordBatch, what: str) -> tuple[Array, Faults]:
        """Encode rows of a table; returns the faults of rows."""


@dataclass(frozen=True)
class Item:
    """An example."""

    name: str
    """Its path as the user wrote it, or its place."""
    read: Callable[[], Array]
    """Returns it as the model takes it; raises a `Fault`."""

    def read_or_refuse(self) -> Array:
        """The example.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return self.read()
        except Fault as fault:
            name = f"examples[{self.name}]" if self.name.isdecimal() else printable(self.name)
            raise UserError(f"{name}: {fault}") from None


def items_of(examples: Any, model: Reader) -> Sequence[Item]:
    """The examples of a call from Python; see `Model.predict`.

    Raises:
        UserError: they are none that the model takes.
    """
    if isinstance(examples, np.ndarray):
        return items_of_array(examples, model)
    if isinstance(examples, pa.Table | pa.RecordBatch):
        return items_of_table(examples, model)
    if hasattr(examples, "columns") and hasattr(examples, "dtypes"):  # a DataFrame
        return items_of_table(as_arrow(examples), model)
    if isinstance(examples, str | Path | Image.Image | Mapping):
        examples = [examples]
    if not isinstance(examples, Iterable):
        raise UserError(f"examples: {type(examples).__name__} cannot be predicted; see sprout.Model.predict")
    several = list(examples)
    if several and all(isinstance(each, Mapping) for each in several):
        return items_of_table(as_arrow(several), model)
    return [item for place, each in enumerate(several) for item in items_of_image(str(place), each, model)]


def items_of_array(examples: Array, model: Reader) -> Sequence[Item]:
    """Examples as they were prepared, or images of another size.

    Raises:
        UserError: they have other axes than the model's.
    """
    if examples.shape[1:] == model.shape:
        kind = np.uint8 if model.takes_images else np.float32
        if model.takes_images and examples.dtype != np.uint8:
            several = enumerate(as_levels(examples))
            return [Item(str(place), partial(model.read_pixels, each)) for place, each in several]
        return [Item(str(place), partial(np.asarray, each, kind)) for place, each in enumerate(examples)]
    if not model.takes_images:
        raise UserError(f"examples: an array {examples.shape}; {model.name} takes (N, {model.shape[0]}) features")
    if examples.ndim == 2 or (examples.ndim == 3 and examples.shape[2] in (1, 3, 4)):
        raise UserError(f"examples: one array {examples.shape}; put a single image into a list: [image]")
    return [item for place, each in enumerate(examples) for item in items_of_image(str(place), each, model)]


def items_of_table(table: pa.Table | pa.RecordBatch, model: Reader) -> Sequence[Item]:
    """The rows of a table.

    Raises:
        UserError: the model takes images, or a column is missing or of another type.
    """
    batches = table.to_batches() if isinstance(table, pa.Table) else [table]
    found: list[Item] = []
    for batch in batches:
        rows, faults = model.read_rows(batch, "examples")
        found += items_of_rows([str(len(found) + place) for place in range(len(rows))], rows, faults)
    return found


def items_of_rows(names: Sequence[str], rows: Array, faults: Faults) -> list[Item]:
    """Encoded rows, some of them faulty."""
    return [
        Item(name, partial(refuse, faults[place]) if place in faults else partial(np.asarray, row))
        for place, (name, row) in enumerate(zip(names, rows, strict=True))
    ]


def items_of_image(name: str, example: Any, model: Reader) -> list[Item]:
    """An image, or those of a folder.

    Raises:
        UserError: it is something else.
    """
    if not model.takes_images:
        columns = listed([repr(each) for each in sorted(model.column_names())])
        raise UserError(
            f"{model.name}: takes rows of a table with the columns {columns}; give a DataFrame, a pyarrow table, a "
            "list of dicts, or an array of features"
        )
    if isinstance(example, str | Path):
        path = os.fspath(example)
        files = files_in(path) if os.path.isdir(path) else [named_file(path)]
        return [item_of_file(file, model) for file in files]
    if isinstance(example, Image.Image):
        return [Item(name, partial(model.read_picture, example))]
    if isinstance(example, np.ndarray):
        return [Item(name, partial(model.read_pixels, as_levels(example)))]
    raise UserError(
        f"examples[{name}]: {type(example).__name__} cannot be predicted; accepted: paths, Pillow's images, arrays"
    )


def item_of_file(file: ImageFile, model: Reader) -> Item:
    """An image file."""
    return Item(
        file.name, partial(refuse, file.fault) if file.fault else partial(model.read_file, file.root, file.path)
    )


def refuse(reason: str) -> Array:
    """Raise a `Fault`."""
    raise Fault(reason)


def as_levels(pixels: Array) -> Array:
    """Whole numbers in 0..255 of any type as uint8, and true and false as white and black; others as they are."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if (
        pixels.dtype.kind in "iu"
        and pixels.dtype.itemsize > 2
        and pixels.size
        and 0 <= pixels.min() <= pixels.max() < 256
    ):
        return pixels.astype(np.uint8)
    return pixels


def as_arrow(rows: Any) -> pa.Table:
    """A DataFrame or a list of dicts as a table.

    Raises:
        UserError: a column has entries of which it has no type, or its name is there twice.
    """
    try:
        if isinstance(rows, list):
            names = dict.fromkeys(name for row in rows for name in row)
            return pa.table({str(name): column_of([row.get(name) for row in rows]) for name in names})
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserError(f"examples: cannot be read as a table ({one_line(error)})") from None
