"""Contact sheets: many small images side by side in one image, to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, np.dtype[Any]]

SIDE = 96  # pixels: approximate size of each image on the sheet
GAP = 4  # pixels between two images, and around the sheet
TEXT = 11  # pixels: font size of a caption
LINE = 15  # pixels: line height of a caption


def write_sheet(
    path: Path, images: Sequence[Array], columns: int, captions: Sequence[str] | None = None, title: str = ""
) -> None:
    """Write a sheet as PNG, see `draw_sheet`; the same images give the same bytes."""
    # Twice as fast as Pillow's own level, and a tenth larger.
    draw_sheet(images, columns, captions, title).save(path, "PNG", compress_level=3)


def draw_sheet(
    images: Sequence[Array], columns: int, captions: Sequence[str] | None = None, title: str = ""
) -> Image.Image:
    """Lay images out in rows, from left to right, on white.

    Args:
        images: (H, W, C) uint8 each, of any sizes; at least one. See `to_rgb` for their channels.
        columns: images in a row; the last row may be shorter.
        captions: a line below each image, shortened to fit; "" for none.
        title: a line above all images, shortened to fit.
    """
    tiles = [scale_tile(to_rgb(image)) for image in images]
    width = max(tile.width for tile in tiles)
    height = max(tile.height for tile in tiles)
    if captions is not None:
        width, line = max(width, SIDE), LINE
    else:
        line = 0
    columns_used, rows = min(columns, len(tiles)), -(-len(tiles) // columns)
    step_x, step_y, top_margin = width + GAP, height + line + GAP, LINE if title else 0
    canvas = Image.new("RGB", (columns_used * step_x + GAP, top_margin + rows * step_y + GAP), "white")
    if title:
        write_caption(canvas, title, GAP, 0, canvas.width - 2 * GAP)
    for place, tile in enumerate(tiles):
        left, top = GAP + place % columns * step_x, top_margin + GAP + place // columns * step_y
        canvas.paste(tile, (left + (width - tile.width) // 2, top + (height - tile.height) // 2))
        if captions is not None:
            write_caption(canvas, captions[place], left, top + height, width)
    return canvas


def to_rgb(image: Array) -> Image.Image:
    """Return (H, W, C) uint8 as RGB: of one or two channels the first as grey, of more the first three."""
    channels = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return Image.fromarray(np.ascontiguousarray(channels)).convert("RGB")


def scale_tile(tile: Image.Image) -> Image.Image:
    """Scale to about `SIDE` pixels: a small image by an integer factor with sharp pixels, a large one smoothly."""
    longest = max(tile.size)
    if longest <= SIDE:
        factor = SIDE // longest
        return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)
    reduced = tuple(max(1, round(side * SIDE / longest)) for side in tile.size)
    return tile.resize((reduced[0], reduced[1]), Image.Resampling.LANCZOS)


def write_caption(canvas: Image.Image, caption: str, left: int, top: int, width: int) -> None:
    """Write one centred line; a text that does not fit ends in three dots."""
    font = ImageFont.load_default(TEXT)
    pen = ImageDraw.Draw(canvas)
    # A file name may hold line breaks and bytes that are not text; no letter is narrower than a pixel.
    line = " ".join(caption.encode("utf-8", "replace").decode().split())[:width]
    shown = line
    while shown and pen.textlength(shown, font) > width:
        line = line[:-1]
        shown = f"{line}..." if line else ""
    pen.text((left + (width - pen.textlength(shown, font)) / 2, top + 1), shown, fill="black", font=font)
