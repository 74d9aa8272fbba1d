"""A trained model with how it reads its inputs: the one way from images and rows to predictions."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from sprout.data.description import Column
from sprout.data.listing import Faults
from sprout.data.prepare.decode import ImageFormat, decode_array, upright
from sprout.data.prepare.fault import SizeFault, as_fault, without_pillow_limits
from sprout.data.prepare.image_file import decode_file
from sprout.data.prepare.pixels import Array
from sprout.models.card import ModelCard
from sprout.models.predictor import Predictor, max_batch
from sprout.predict.image_format import NO_RESIZE
from sprout.predict.items import Item, items_of
from sprout.predict.rows import encode_rows
from sprout.runtime.errors import UserError, listed, printable
from sprout.tasks.base import Task

if TYPE_CHECKING:
    from sprout.explain.explain_examples import Explanations

RESIZED = "resized to fit, on black, as all others of another size; `resize` chooses otherwise"


class Model:
    """A trained model.

    Takes images or rows of a table; gives what its task predicts, such as classes with calibrated probabilities.
    """

    def __repr__(self) -> str:
        return f"<{self.name}: {self.card.task}, input {self.shape}>"

    def __init__(
        self, name: str, predictor: Predictor, image_format: ImageFormat | None, *, asked: bool = True, devices: int = 1
    ) -> None:
        """Take a predictor.

        Args:
            name: of the model, for messages.
            predictor: its network.
            image_format: of the images that it takes; None for a model of rows.
            asked: whether the user or the model's data has said how images of another size are resized; if not, a line
                on standard error says so once.
            devices: that it computes on.
        """
        self.name, self.predictor, self.format, self.asked = name, predictor, image_format, asked
        self._saying = Lock()
        self.batch = devices * max_batch(predictor.network, self.shape)
        """Examples of a batch that fits into memory."""

    @property
    def card(self) -> ModelCard:
        """All that is known of the model but its weights."""
        return self.predictor.card

    @property
    def classes(self) -> list[str]:
        """Class names, by index; none where the model does not classify."""
        return self.card.classes

    @property
    def task(self) -> type[Task]:
        """What the model has learned."""
        return self.predictor.task

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) of an image, or (F,) of a row."""
        return tuple(self.card.input_shape)

    @property
    def takes_images(self) -> bool:
        """Whether its examples are images."""
        return self.format is not None

    @cached_property
    def columns(self) -> list[Column]:
        """Of a model of rows the columns of a table that it takes."""
        names = self.card.features or [str(place) for place in range(self.shape[0])]
        return self.card.columns or [Column(name) for name in names]

    def column_names(self) -> set[str]:
        """The columns of a table that it takes; none where it takes images."""
        return set() if self.takes_images else {each.name for each in self.columns}

    def predict(self, examples: Any) -> pa.Table:
        """The predictions for examples, a row for each, in their order.

        Args:
            examples: images: paths of files and folders, Pillow's images, arrays (H, W) or (H, W, C) of any size, in a
                list or one alone; or an array (N, H, W, C) uint8 as prepared. Rows: a DataFrame, a pyarrow table, a
                list of dicts by column, or an array (N, F) of features.

        Returns:
            `input`, the path or number of each example; of a classifier `class`, its `probability`, and
            `probability_NAME` of each class; of a regression `value`; of a clustering `cluster`.

        Raises:
            UserError: an example cannot be read, the model takes others, or it has nothing to say of single examples.
        """
        self.check_predicts()
        names, parts = [], []
        for batch, rows in self._batches(examples):
            names += batch
            parts.append(self.predict_array(rows))
        predictions = np.concatenate(parts) if parts else self.predict_array(self._none())
        return pa.table({"input": names, **self.task.prediction_columns(predictions, self.classes)})

    def embed(self, examples: Any) -> Array:
        """The features of examples, which lie before the last dense layer: (N, D) float32.

        Args:
            examples: as of `predict`.

        Raises:
            UserError: an example cannot be read, or the network has no features, such as a forest.
        """
        parts = [self.predictor.embed(rows) for _, rows in self._batches(examples)]
        return np.concatenate(parts) if parts else self.predictor.embed(self._none())

    def explain(self, examples: Any) -> "Explanations":
        """Why the model predicts what it does for examples: the pixels that speak for it, and the features.

        Args:
            examples: as of `predict`, at least one.

        Raises:
            UserError: an example cannot be read, or there is none.
        """
        from sprout.explain.explain_examples import explain_examples  # here, as Captum is not needed to predict

        parts = [rows for _, rows in self._batches(examples)]
        if not parts:
            raise UserError("examples: none to explain")
        return explain_examples(self.predictor, np.concatenate(parts))

    def predict_array(self, examples: Array) -> Array:
        """Predictions of the task for (N, H, W, C) uint8 images or (N, F) float32 rows, as they were prepared."""
        return self.predictor.predict(examples)

    def read_file(self, root: str, path: str) -> Array:
        """An image file under a folder, as the model takes it: (H, W, C) uint8.

        Raises:
            Fault: it cannot be read.
        """
        return self._resized(partial(decode_file, root, path), path)

    def read_pixels(self, pixels: Array) -> Array:
        """An image, (H, W) or (H, W, C), as the model takes it: (H, W, C) uint8.

        Raises:
            Fault: it cannot be converted.
        """
        return self._resized(partial(decode_array, pixels), "an image")

    def read_picture(self, image: Image.Image) -> Array:
        """An image of Pillow, of any mode, as the model takes it: (H, W, C) uint8.

        Raises:
            Fault: it cannot be read or converted.
        """
        with as_fault():
            return self._resized(partial(upright, image), "an image")

    def read_rows(self, rows: pa.RecordBatch, what: str) -> tuple[Array, Faults]:
        """Rows of a table as features: (n, F) float32; and what is wrong with rows.

        Raises:
            UserError: the model takes images, or a column is missing.
        """
        if self.takes_images:
            raise UserError(f"{what}: are rows of a table; {self.name} takes images")
        known = rows.schema.names
        if twice := [repr(each.name) for each in self.columns if known.count(each.name) > 1]:
            raise UserError(f"{what}: column {listed(twice)} twice; rename one")
        if missing := [repr(each.name) for each in self.columns if each.name not in known]:
            raise UserError(f"{what}: no column {listed(missing)}, which {self.name} takes")
        return encode_rows(self.columns, rows, what)

    def image_format(self) -> ImageFormat:
        """What its images look like.

        Raises:
            UserError: it takes rows of a table.
        """
        if self.format is None:
            names = listed([repr(each.name) for each in self.columns])
            raise UserError(f"{self.name}: takes rows of a table with the columns {names}, not images")
        return self.format

    def check_predicts(self) -> None:
        """Check that the task has a prediction for an example.

        Raises:
            UserError: it has not.
        """
        if not self.task.printed_columns(1):
            raise UserError(
                f"{self.name}: the task {self.card.task} has no prediction to print; see its results in "
                "reports/index.html, or give the folder of a model that classifies"
            )

    def _resized(self, decode: Callable[[ImageFormat], Array], name: str) -> Array:
        wanted = self.image_format()
        if not self.asked:
            try:
                return decode(replace(wanted, resize=NO_RESIZE))
            except SizeFault as fault:
                self._say_once(f"{printable(name)}: {str(fault).partition(';')[0]}; {RESIZED}")
        return decode(wanted)

    def _say_once(self, line: str) -> None:
        with self._saying:  # images are read on several threads
            if not self.asked:
                print(line, file=sys.stderr)
            self.asked = True

    def _none(self) -> Array:
        return np.zeros((0, *self.shape), np.uint8 if self.takes_images else np.float32)

    def _batches(self, examples: Any) -> Iterator[tuple[list[str], Array]]:
        return read_all(items_of(examples, self), self.batch)


def read_all(items: Sequence[Item], size: int) -> Iterator[tuple[list[str], Array]]:
    """Yield the names and examples of each batch.

    Raises:
        UserError: one cannot be read.
    """
    with without_pillow_limits():
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            yield [each.name for each in batch], np.stack([each.read_or_refuse() for each in batch])
