"""Every kind of pixel as 8 bits, grey (one channel) or colour (three, RGB). Imports only numpy and Pillow.

| pixels (Pillow's mode)                   | become | how                                                              |
|------------------------------------------|--------|------------------------------------------------------------------|
| 1 bit (1)                                | grey   | 0 or 255                                                         |
| grey, 8 bits (L)                         | grey   | as they are                                                      |
| grey, 16 bits, either byte order (I;16)  | grey   | ÷ 257, rounded; ÷ 4095 × 255 from a TIFF of 12 bits              |
| grey, 32-bit integers (I)                | grey   | as 16 bits where all lie in 0..65535, else a fault               |
| grey, float (F)                          | grey   | × 255, rounded, where all lie in 0..1, else a fault              |
| RGB                                      | colour | as they are; of 16 bits a channel the upper 8                    |
| palette (P)                              | colour | looked up                                                        |
| CMYK, YCCK                               | colour | Pillow's formula, without a colour profile                       |
| YCbCr, HSV                               | colour | Pillow's formula                                                 |
| LAB                                      | colour | LittleCMS, to sRGB                                               |
| with transparency (LA, PA, RGBA, a       | either | laid on white                                                    |
| transparent colour or palette entry)     |        |                                                                  |

An embedded colour profile is not applied.
"""

from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[Any]]

BITS_PER_SAMPLE = 258
"""A tag of TIFF."""


class Fault(Exception):  # noqa: N818 - the word of the reports
    """An example that cannot be used; the message is the reason, for a person."""


def plain(image: Image.Image) -> Image.Image:
    """Any mode as L or RGB: the table above."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(eight_bits(deep(image)))
    if image.has_transparency_data:
        return on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def deep(image: Image.Image) -> Array:
    """Grey pixels of more than 8 bits: (H, W) uint16, or float in 0..1."""
    levels = np.asarray(image)
    if image.mode == "F":
        return levels
    if image.mode == "I" and levels.size and not 0 <= levels.min() <= levels.max() <= 65535:
        raise Fault(f"32-bit pixels from {levels.min()} to {levels.max()}; accepted: 0 to 65535")
    if getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE) == (12,):
        return levels / np.float32(4095)
    see_through = image.info.get("transparency")
    return np.where(levels == see_through, 65535, levels).astype(np.uint16)


def eight_bits(levels: Array) -> Array:
    """uint8 as it is, uint16 and float in 0..1 scaled, not clipped: → uint8 of the same shape."""
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype.kind == "u" and levels.itemsize == 2:
        return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if levels.dtype.kind != "f":
        raise Fault(f"pixels of type {levels.dtype}; accepted: uint8, uint16, float")
    if levels.size and not 0 <= levels.min() <= levels.max() <= 1:
        raise Fault(f"pixels from {levels.min():g} to {levels.max():g}; accepted: 0 to 1")
    return np.rint(levels * np.float32(255)).astype(np.uint8)


def on_white(image: Image.Image) -> Image.Image:
    """A picture with transparent parts, laid on white: L if it is grey, else RGB."""
    grey = image.mode in ("1", "L", "LA", "La")
    straight = image.convert("LA" if grey else "RGBA")
    white = Image.new(straight.mode, straight.size, (255,) * len(straight.getbands()))
    return Image.alpha_composite(white, straight).convert("L" if grey else "RGB")
