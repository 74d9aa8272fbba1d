"""From the body of a request to examples as a model takes them."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.prepare.decode import ImageFormat, decode
from sprout.data.prepare.fault import Fault, as_fault
from sprout.data.store import Array
from sprout.predict.model import Model
from sprout.predict.rows import column_of

LARGEST = float(np.finfo(np.float32).max)
SHOWN = 5
"""Names that a message lists, at most."""


class RequestError(ValueError):
    """A request that cannot be answered; the message says what is wrong."""


@dataclass(frozen=True)
class Limits:
    """What one request may cost."""

    bytes: int = 32 << 20
    """Of its body."""
    examples: int = 256
    """Images or rows."""
    pixels: int = 50_000_000
    """Of one image, before it is resized."""
    seconds: float = 30.0
    """Until its predictions are there."""


@dataclass(frozen=True)
class Inputs:
    """How the body of a request becomes examples."""

    model: Model
    limits: Limits

    def of_files(self, files: Sequence[tuple[str, bytes]]) -> Array:
        """Decode image files, each with its name: (N, H, W, C) uint8.

        Raises:
            RequestError: the model takes rows, there are too many, or one cannot be decoded.
        """
        self.check_images(len(files))
        own = self.model.image_format()
        target = replace(own, max_pixels=min(own.max_pixels, self.limits.pixels))
        return np.stack([decoded(name, data, target) for name, data in files])

    def of_json(self, body: bytes) -> Array:
        """Read `images`, a list of base64 texts, or `rows`, a list of lists or of objects.

        Raises:
            RequestError: it is something else.
        """
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise RequestError("the body is not JSON") from None
        if not isinstance(content, dict) or len(content) != 1 or not {"images", "rows"} & set(content):
            raise RequestError("the body should be an object with `images` or `rows`")
        ((key, values),) = content.items()
        if not isinstance(values, list):
            raise RequestError(f"`{key}` should be a list")
        return self.of_rows(values) if key == "rows" else self.of_images(values)

    def of_images(self, texts: Sequence[Any]) -> Array:
        """Decode images in base64: (N, H, W, C) uint8.

        Raises:
            RequestError: the model takes rows, there are too many, or one cannot be decoded.
        """
        self.check_images(len(texts))
        return self.of_files([(f"images[{place}]", from_base64(place, each)) for place, each in enumerate(texts)])

    def of_rows(self, rows: Sequence[Any]) -> Array:
        """Read rows of a table: (N, F) float32.

        Raises:
            RequestError: the model takes images, there are too many rows, or one cannot be read.
        """
        if self.model.takes_images:
            raise RequestError("the model takes images; send files, or JSON with `images`")
        self.check_count(len(rows))
        entries = [self.entries(place, each) for place, each in enumerate(rows)]
        columns = {name: column_of(each) for name, each in zip(self.names, zip(*entries, strict=True), strict=True)}
        features, faults = self.model.read_rows(pa.record_batch(columns), "rows")
        if faults:
            place, fault = min(faults.items())
            raise RequestError(f"rows[{place}]: {fault}")
        return features

    @property
    def names(self) -> list[str]:
        """The names of a row's entries."""
        return [each.name for each in self.model.columns]

    def entries(self, place: int, row: Any) -> list[Any]:
        """Return the entries of a row, in the order of the columns.

        Raises:
            RequestError: it is no list or object of them with one for each column.
        """
        if isinstance(row, dict):
            missing, unknown = [n for n in self.names if n not in row], [n for n in row if n not in self.names]
            if missing or unknown:
                what, which = ("is missing", missing) if missing else ("is not a column of the model", unknown)
                raise RequestError(f"rows[{place}]: {', '.join(map(repr, which[:SHOWN]))} {what}")
            row = [row[name] for name in self.names]
        if not isinstance(row, list) or len(row) != len(self.names):
            raise RequestError(f"rows[{place}]: should be {len(self.names)} entries, as a list or by name")
        for name, value in zip(self.names, row, strict=True):
            if isinstance(value, list | dict) or (isinstance(value, int | float) and not abs(value) <= LARGEST):
                raise RequestError(f"rows[{place}]: {name!r} is not a number, text, true, false or null")
        return row

    def check_images(self, count: int) -> None:
        """Check that images can be predicted, and so many.

        Raises:
            RequestError: the model takes rows, or there are none or too many.
        """
        if not self.model.takes_images:
            raise RequestError(f"the model takes rows of {len(self.names)} columns; send JSON with `rows`")
        self.check_count(count)

    def check_count(self, count: int) -> None:
        """Check the number of examples.

        Raises:
            RequestError: there are none, or too many.
        """
        if not 1 <= count <= self.limits.examples:
            raise RequestError(f"{count} examples; accepted: 1 to {self.limits.examples} in a request")


def from_base64(place: int, text: Any) -> bytes:
    """Return the bytes of a base64 text, also of a data URL.

    Raises:
        RequestError: it is none, or the address of an image.
    """
    if isinstance(text, str) and "://" in text[:32]:
        raise RequestError(f"images[{place}]: addresses are not fetched; send the image itself in base64")
    if not isinstance(text, str) or not text:
        raise RequestError(f"images[{place}]: should be an image in base64")
    try:
        return base64.b64decode(text.partition("base64,")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(f"images[{place}]: is not base64") from None


def decoded(name: str, data: bytes, target: ImageFormat) -> Array:
    """Decode one image.

    Raises:
        RequestError: it cannot be decoded.
    """
    try:
        with as_fault():
            if not data:
                raise Fault("zero bytes")
            return decode(BytesIO(data), target)
    except Fault as fault:
        raise RequestError(f"{name}: {fault}") from None
