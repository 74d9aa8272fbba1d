"""A model as MLflow loads and serves it: arrays, tables and dictionaries in, a table with names out.

MLflow's server hands on a table for `dataframe_split` and `dataframe_records`; for `inputs` and `instances` an array, a
dictionary of arrays by column, or a list of dictionaries.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sprout.data.store import Array
from sprout.models.predictor import load_predictor
from sprout.predict.examples import LARGEST, Inputs, Limits, RequestError
from sprout.predict.image_format import format_of, logged_with
from sprout.predict.model import Model

IMAGE = "image"
"""The column of the images."""
LIMITS = Limits(examples=1_000_000)
"""MLflow's server has none of its own."""
PIXEL = range(256)


class ServedModel:
    """A logged model."""

    def __init__(self, folder: Path) -> None:
        """Open a model folder.

        Raises:
            UserError: there is no model in it.
        """
        predictor = load_predictor(folder)
        of_images = len(predictor.card.input_shape) == 3
        target = format_of(predictor.card, logged_with(folder)) if of_images else None
        self.model = Model("the model", predictor, target)
        self.inputs = Inputs(self.model, LIMITS)

    def predict(self, given: Any) -> pd.DataFrame | Array:
        """Return the predictions for the examples in what MLflow hands on.

        Returns:
            The columns of `Task.prediction_columns`, such as `class` and `probability`; images as they are, an array.

        Raises:
            RequestError: these are no examples of the model; the message is one line.
        """
        examples, size = self.examples(given), self.model.batch
        starts = range(0, max(1, len(examples)), size)
        found = np.concatenate([self.model.predict_array(examples[start : start + size]) for start in starts])
        if not self.model.task.printed_columns(1):
            return found
        columns = self.model.task.prediction_columns(found, self.model.classes)
        return pd.DataFrame({name: values.to_numpy(zero_copy_only=False) for name, values in columns.items()})

    def examples(self, given: Any) -> Array:
        """Return the examples, (N, H, W, C) uint8 or (N, F) float32.

        Raises:
            RequestError: these are none.
        """
        if isinstance(given, list) and given and all(isinstance(each, Mapping) for each in given):
            given = pd.DataFrame([{key: plain(value) for key, value in each.items()} for each in given])
        if isinstance(given, pd.DataFrame):
            return self.of_table(given)
        if isinstance(given, Mapping):
            return self.of_table(table_of(given))
        return self.of_array(as_array(given))

    def of_table(self, table: pd.DataFrame) -> Array:
        """Return the examples of a table: images in the column `image`, or rows by name or by place.

        Raises:
            RequestError: there are none.
        """
        if self.model.takes_images:
            if list(table.columns) not in ([IMAGE], [0]):
                raise RequestError(f"the model takes images, in one column `{IMAGE}`; not {listed(table.columns)}")
            return self.of_images(table.iloc[:, 0].tolist())
        by_place = list(table.columns) == list(range(len(table.columns)))
        return self.of_array(table.to_numpy()) if by_place else self.inputs.of_rows(records(table))

    def of_images(self, given: list[Any]) -> Array:
        """Return images that are texts in base64, or nested lists of pixels.

        Raises:
            RequestError: they are neither, or one cannot be decoded.
        """
        in_base64 = not given or any(each is None or isinstance(each, str) for each in given)
        return self.inputs.of_images(given) if in_base64 else self.of_array(as_array(given))

    def of_array(self, given: Array) -> Array:
        """Return the examples of an array: raw images, images in base64, features as prepared, or rows.

        Raises:
            RequestError: it has another shape or other values than the model takes.
        """
        numbers = given.dtype.kind in "fiu"
        if self.model.takes_images and given.dtype.kind in "USO":
            return self.inputs.of_images(given.tolist())
        if numbers and given.ndim and given.shape[1:] == self.model.shape:
            return as_pixels(given) if self.model.takes_images else self.as_features(given)
        if not self.model.takes_images and given.ndim == 2 and given.shape[1] == len(self.model.columns):
            return self.inputs.of_rows(given.tolist())
        takes = " × ".join(map(str, ("N", *self.model.shape)))
        raise RequestError(f"examples of shape {' × '.join(map(str, given.shape)) or '1'}; the model takes {takes}")

    def as_features(self, given: Array) -> Array:
        """Return features as float32.

        Raises:
            RequestError: one is no finite number.
        """
        if (np.abs(given) <= LARGEST).all():
            return given.astype(np.float32)
        return self.inputs.of_rows(given.tolist())


def as_array(values: Any) -> Array:
    """Return values as an array.

    Raises:
        RequestError: they are no regular one.
    """
    try:
        return np.asarray(values)
    except ValueError:
        raise RequestError("the examples are lists of different lengths") from None


def as_pixels(images: Array) -> Array:
    """Return images as uint8.

    Raises:
        RequestError: a pixel is no whole number from 0 to 255.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "iu" or (images.size and not (images.min() in PIXEL and images.max() in PIXEL)):
        raise RequestError("pixels should be whole numbers from 0 to 255")
    return images.astype(np.uint8)


def table_of(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a dictionary of columns, or of single values, as a table.

    Raises:
        RequestError: the columns have different lengths.
    """
    values = {key: value if isinstance(value := plain(given), list) else [value] for key, given in columns.items()}
    try:
        return pd.DataFrame(values)
    except ValueError:
        raise RequestError("the columns have different lengths") from None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table; None where pandas has no entry."""
    return [
        {str(name): None if value is None or value != value else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def plain(value: Any) -> Any:
    """Return an array as lists, one of no dimension as its value; anything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def listed(names: Sequence[Any]) -> str:
    """Return the first names in a line."""
    return ", ".join(f"`{name}`" for name in [*names][:5])
