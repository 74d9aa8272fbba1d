"""Convert every kind of pixel to 8 bits, grey (one channel) or colour (three, RGB); resize images.

Imports only numpy and Pillow.

| pixels (Pillow's mode)                   | become | how                                                              |
|------------------------------------------|--------|------------------------------------------------------------------|
| 1 bit (1)                                | grey   | 0 or 255                                                         |
| grey, 8 bits (L)                         | grey   | unchanged                                                        |
| grey, 16 bits, either byte order (I;16)  | grey   | ÷ 257, rounded; ÷ 4095 × 255 from a TIFF of 12 bits              |
| grey, 32-bit integers (I)                | grey   | as 16 bits if all are in 0..65535, else a fault                  |
| grey, float (F)                          | grey   | × 255, rounded, if all are in 0..1, else a fault                 |
| RGB                                      | colour | unchanged; of 16 bits a channel the upper 8                      |
| palette (P)                              | colour | looked up in the palette                                         |
| CMYK, YCCK                               | colour | Pillow's formula, without a colour profile                       |
| YCbCr, HSV                               | colour | Pillow's formula                                                 |
| LAB                                      | colour | LittleCMS, to sRGB                                               |
| with transparency (LA, PA, RGBA, a       | either | composited on white                                              |
| transparent colour or palette entry)     |        |                                                                  |

An embedded colour profile is not applied.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sprout.data.prepare.fault import Fault

Array = np.ndarray[Any, np.dtype[Any]]

BITS_PER_SAMPLE = 258
"""A tag of TIFF."""
FILTER = Image.Resampling.BILINEAR
"""Antialiased when it shrinks (Pillow widens the filter), as torchvision's `Resize`; no ringing at edges."""


def to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to L or RGB by the table above.

    Raises:
        Fault: the pixels lie outside the accepted range.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(to_8_bits(high_bit_depth(image)))
    if image.has_transparency_data:
        return on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def high_bit_depth(image: Image.Image) -> Array:
    """Return grey pixels of more than 8 bits: (H, W) uint16, or float in 0..1."""
    levels = np.asarray(image)
    if image.mode == "F":
        return levels
    if image.mode == "I" and levels.size and not 0 <= levels.min() <= levels.max() <= 65535:
        raise Fault(f"32-bit pixels from {levels.min()} to {levels.max()}; accepted: 0 to 65535")
    if getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE) == (12,):
        return levels / np.float32(4095)
    transparent = image.info.get("transparency")
    return np.where(levels == transparent, 65535, levels).astype(np.uint16)


def to_8_bits(levels: Array) -> Array:
    """Scale uint16, or float in 0..1, to uint8 of the same shape, without clipping; uint8 is returned unchanged.

    Raises:
        Fault: another type, or floats outside 0..1.
    """
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
    """Lay an image with transparency on white: L if it is grey, else RGB."""
    grey = image.mode in ("1", "L", "LA", "La")
    overlay = image.convert("LA" if grey else "RGBA")
    white = Image.new(overlay.mode, overlay.size, (255,) * len(overlay.getbands()))
    return Image.alpha_composite(white, overlay).convert("L" if grey else "RGB")


def resize(image: Image.Image, size: tuple[int, int], policy: str) -> Image.Image:
    """Resize an image.

    Args:
        image: L or RGB, of another size.
        size: height and width in pixels.
        policy: fit shows the whole image, centred on black; crop fills the frame and cuts equally from both sides;
            stretch changes the proportions.
    """
    height, width = size
    if policy == "fit":
        return fit_on_black(image, width, height)
    if policy == "crop":
        return ImageOps.fit(image, (width, height), FILTER)
    return image.resize((width, height), FILTER)


def fit_on_black(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale the whole image to fit, at least one pixel high and wide, and centre it on black."""
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    frame = Image.new(image.mode, (width, height))
    frame.paste(image.resize(inner, FILTER), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return frame
