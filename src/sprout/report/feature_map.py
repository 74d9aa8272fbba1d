"""The map of the features as the page draws it: a dot for each example, whose picture appears when it is pointed at."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sprout.data.store import Array, open_store
from sprout.report.inputs import Inputs
from sprout.report.pictures import are_pictures

COLUMNS = 32
"""Pictures beside each other in the sprite."""
SIDES = (32, 24, 16, 12)
"""Longest side of a picture in pixels; the first that keeps the sprite within SPRITE_BYTES is taken."""
SPRITE_BYTES = 600_000
FEW = 20
"""Up to this many classes are named in the legend."""


@dataclass(frozen=True)
class Dot:
    """An example on the map."""

    left: str
    top: str
    """Percentages of the map."""
    at_right: bool
    """Whether it is near the right side, where its picture would leave the page."""
    kind: str
    column: int
    row: int
    """Its picture in the sprite."""
    caption: str


@dataclass(frozen=True)
class Sprite:
    """All pictures in one image."""

    uri: str
    columns: int
    rows: int
    ratio: float
    """Width of a picture ÷ its height."""
    crisp: bool


@dataclass(frozen=True)
class FeatureMap:
    """The map."""

    dots: dict[str, list[Dot]]
    """By colour, in CSS."""
    legend: dict[str, str]
    """The colour of each class; empty where there are too many to name."""
    kinds: dict[str, int]
    """How many examples there are of each kind."""
    sprite: Sprite | None
    """None where the examples cannot be drawn."""


def read_map(inputs: Inputs, prepared: Path, path: Path) -> FeatureMap | None:
    """The map that the stage `evaluate` wrote; None where it wrote none."""
    table = pq.read_table(path) if path.exists() else None
    if table is None or not table.num_rows:
        return None
    kinds, labels = table["kind"].to_pylist(), table["label"].fill_null(-1).to_pylist()
    colours = [*map(colour, range(len(inputs.classes))), "var(--muted)"]  # −1, no class, is the last
    dots: dict[str, list[Dot]] = {}
    for place, (label, one) in enumerate(zip(labels, captions(inputs, table), strict=True)):
        dots.setdefault(colours[label], []).append(dot(table, place, kinds[place], one))
    named = [label for label in dict.fromkeys(sorted(labels)) if label >= 0]
    return FeatureMap(
        dots=dots,
        legend={inputs.classes[label]: colours[label] for label in named} if len(named) <= FEW else {},
        kinds={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        sprite=sprite(examples_of(prepared, table)) if are_pictures(inputs.summary) else None,
    )


def colour(label: int) -> str:
    """A colour that stands apart from those of the classes before it, on a light and on a dark page."""
    hue = round(label * 360 * 0.618034) % 360  # the golden angle
    return f"hsl({hue} {(70, 50)[label % 2]}% {(45, 60)[label // 2 % 2]}%)"


def dot(table: pa.Table, place: int, kind: str, caption: str) -> Dot:
    """One example."""
    x, y = table["x"][place].as_py(), table["y"][place].as_py()
    return Dot(f"{100 * x:.1f}%", f"{100 * (1 - y):.1f}%", x > 0.75, kind, place % COLUMNS, place // COLUMNS, caption)


def captions(inputs: Inputs, table: pa.Table) -> list[str]:
    """What each example is, in words."""
    words = []
    for kind, label, predicted in zip(
        table["kind"].to_pylist(), table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True
    ):
        name = "" if label is None else f": {inputs.classes[label]}"
        words.append(f"{kind}{name}" + ("" if predicted is None else f" → {inputs.classes[predicted]}"))
    return words


def examples_of(prepared: Path, table: pa.Table) -> Array:
    """The images of the examples, in the order of the table: (n, H, W, C) uint8."""
    splits, rows = np.array(table["split"].to_pylist()), table["row"].to_numpy()
    stores = {split: open_store(prepared / split) for split in dict.fromkeys(splits.tolist())}
    first = next(iter(stores.values()))
    images = np.empty((len(rows), *first.shape), np.uint8)
    for split, store in stores.items():
        images[splits == split] = store.take(rows[splits == split])
    return images


def sprite(images: Array) -> Sprite:
    """The pictures of images, (n, H, W, C) uint8, in one PNG."""
    for side in SIDES:
        tiles = [tile(image, side) for image in images]
        encoded = png(tiles)
        if len(encoded) <= SPRITE_BYTES:
            break
    height, width = tiles[0].shape[:2]
    uri = "data:image/png;base64," + base64.b64encode(encoded).decode("ascii")
    return Sprite(uri, COLUMNS, -(-len(tiles) // COLUMNS), width / height, crisp=max(images.shape[1:3]) <= SIDES[0])


def tile(image: Array, side: int) -> Array:
    """One picture, (h, w) or (h, w, 3) uint8, at most `side` pixels long."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def png(tiles: Sequence[Array]) -> bytes:
    """The tiles in rows of COLUMNS, as a PNG file."""
    height, width = tiles[0].shape[:2]
    canvas = np.zeros((-(-len(tiles) // COLUMNS) * height, COLUMNS * width, *tiles[0].shape[2:]), np.uint8)
    for place, one in enumerate(tiles):
        top, left = place // COLUMNS * height, place % COLUMNS * width
        canvas[top : top + height, left : left + width] = one
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, format="PNG", optimize=True)
    return file.getvalue()
