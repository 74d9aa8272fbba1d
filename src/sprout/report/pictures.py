"""Examples as the page shows them: as pictures, PNG in a data URI, or by their origin where they cannot be drawn."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sprout.data.store import Array, open_store
from sprout.report.inputs import Inputs

SIDES = (96, 64, 48, 32)
"""Longest side of a thumbnail in pixels; the first that keeps a gallery within GALLERY_BYTES is taken."""
GALLERY_BYTES = 800_000
HEAT = (255, 120, 0)
"""The colour of the pixels that count most."""


@dataclass(frozen=True)
class Picture:
    """A thumbnail."""

    uri: str
    """A data URI."""
    width: int
    height: int
    """In CSS pixels."""
    crisp: bool
    """Whether its pixels are enlarged to visible squares."""


@dataclass(frozen=True)
class Exhibit:
    """An example with its caption."""

    picture: Picture | None
    """None where the example cannot be drawn."""
    origin: str
    """The file or row that it comes from."""
    caption: tuple[str, ...]
    """Its lines, or cells of a table row."""


def exhibits(inputs: Inputs, store: Path, rows: Array, captions: Sequence[tuple[str, ...]]) -> list[Exhibit]:
    """Rows of a store, (n,) int, each with its caption."""
    shown = drawn(inputs, store, rows)
    return [Exhibit(picture, origin, caption) for (picture, origin), caption in zip(shown, captions, strict=True)]


def drawn(inputs: Inputs, store: Path, rows: Array) -> list[tuple[Picture | None, str]]:
    """The picture and the origin of rows of a store, (n,) int; None for a picture that cannot be drawn."""
    if not len(rows):
        return []
    opened = open_store(store)
    images: Sequence[Picture | None] = (
        pictures(opened.take(rows)) if are_pictures(inputs.summary) else [None] * len(rows)
    )
    return list(zip(images, opened.labels["origin"].take(rows).to_pylist(), strict=True))


def are_pictures(summary: dict[str, Any]) -> bool:
    """Whether the examples can be drawn: uint8 (H, W, 1) or (H, W, 3)."""
    shape = summary["shape"]
    return summary["dtype"] == "uint8" and len(shape) == 3 and shape[2] in (1, 3)


def pictures(images: Array) -> list[Picture]:
    """Draw `images`, (n, H, W, C) uint8 with C = 1 (grey) or 3 (RGB), in their order."""
    for side in SIDES:
        thumbnails = [picture(image, side) for image in images]
        if sum(len(each.uri) for each in thumbnails) <= GALLERY_BYTES:
            break
    return thumbnails


def picture(image: Array, side: int = SIDES[0]) -> Picture:
    """Draw one image, (H, W, C) uint8, at most `side` pixels long in the file.

    The browser shows it as large as a thumbnail may be; a small image is enlarged by an integer, so that its pixels
    stay squares of one size.
    """
    thumbnail = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if max(thumbnail.size) > side:
        thumbnail.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    thumbnail.save(file, format="PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    fit = SIDES[0] / max(image.shape[:2])
    zoom = int(fit) if fit >= 2 else fit
    height, width = (max(1, round(zoom * length)) for length in image.shape[:2])
    return Picture(uri, width, height, crisp=fit >= 2)


def heated(images: Array, heat: Array) -> Array:
    """Images in grey, the more coloured the more a pixel counts: (n, H, W, C), (n, H, W) uint8 → (n, H, W, 3) uint8."""
    grey, share = images.mean(axis=3, keepdims=True), heat[..., None] / 255
    coloured: Array = ((1 - share) * grey + share * np.array(HEAT)).round().astype(np.uint8)
    return coloured
