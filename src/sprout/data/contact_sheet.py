"""A contact sheet: many small images side by side in one picture, for a person to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, np.dtype[Any]]

SIDE = 96  # pixels: about as large as each image is shown
GAP = 4  # pixels between two images, and around them all
TEXT = 11  # pixels: height of a caption's letters
LINE = 15  # pixels: height of its line


def write_sheet(
    path: Path, images: Sequence[Array], columns: int, captions: Sequence[str] | None = None, title: str = ""
) -> None:
    """Write a sheet as PNG; the same images give the same bytes.

    Args:
        path: where to.
        images: see `sheet`.
        columns: see `sheet`.
        captions: see `sheet`.
        title: see `sheet`.
    """
    # Twice as fast as Pillow's own level, and a tenth larger.
    sheet(images, columns, captions, title).save(path, "PNG", compress_level=3)


def sheet(images: Sequence[Array], columns: int, captions: Sequence[str] | None = None, title: str = "") -> Image.Image:
    """Lay images out in rows, from left to right, on white.

    Args:
        images: (H, W, C) uint8 each, in any sizes; at least one. See `picture` for their channels.
        columns: so many in a row; the last row may be shorter.
        captions: a line below each image, cut where it is wider; "" for none.
        title: a line above all, cut likewise.
    """
    tiles = [fitted(picture(image)) for image in images]
    width = max(tile.width for tile in tiles)
    height = max(tile.height for tile in tiles)
    if captions is not None:
        width, line = max(width, SIDE), LINE
    else:
        line = 0
    across, down = min(columns, len(tiles)), -(-len(tiles) // columns)
    step_x, step_y, above = width + GAP, height + line + GAP, LINE if title else 0
    whole = Image.new("RGB", (across * step_x + GAP, above + down * step_y + GAP), "white")
    if title:
        write_caption(whole, title, GAP, 0, whole.width - 2 * GAP)
    for place, tile in enumerate(tiles):
        left, top = GAP + place % columns * step_x, above + GAP + place // columns * step_y
        whole.paste(tile, (left + (width - tile.width) // 2, top + (height - tile.height) // 2))
        if captions is not None:
            write_caption(whole, captions[place], left, top + height, width)
    return whole


def picture(image: Array) -> Image.Image:
    """An image as RGB: (H, W, C) uint8. One channel or two show the first as grey, more show the first three."""
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return Image.fromarray(np.ascontiguousarray(shown)).convert("RGB")


def fitted(tile: Image.Image) -> Image.Image:
    """About `SIDE` pixels: a small image is enlarged by a whole number, its pixels kept sharp; a large one reduced."""
    longest = max(tile.size)
    if longest <= SIDE:
        times = SIDE // longest
        return tile.resize((tile.width * times, tile.height * times), Image.Resampling.NEAREST)
    reduced = tuple(max(1, round(side * SIDE / longest)) for side in tile.size)
    return tile.resize((reduced[0], reduced[1]), Image.Resampling.LANCZOS)


def write_caption(whole: Image.Image, caption: str, left: int, top: int, width: int) -> None:
    """Write one line in the middle of this place; what does not fit ends in three dots."""
    font = ImageFont.load_default(TEXT)
    pen = ImageDraw.Draw(whole)
    # A name from a file system may hold line ends, and bytes that are no text; no letter is narrower than a pixel.
    line = " ".join(caption.encode("utf-8", "replace").decode().split())[:width]
    shown = line
    while shown and pen.textlength(shown, font) > width:
        line = line[:-1]
        shown = f"{line}..." if line else ""
    pen.text((left + (width - pen.textlength(shown, font)) / 2, top + 1), shown, fill="black", font=font)
