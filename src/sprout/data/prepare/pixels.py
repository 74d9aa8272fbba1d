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

With levels (`prepare.levels`), grey pixels of more than 8 bits are scaled from these, whatever their type and range.
An embedded colour profile is not applied.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sprout.data.prepare.fault import Fault

Array = np.ndarray[Any, np.dtype[Any]]

Levels = tuple[float, float]
"""What becomes black and what becomes white."""
BITS_PER_SAMPLE = 258
"""A tag of TIFF."""
FILTER = Image.Resampling.BILINEAR
"""Antialiased when it shrinks (Pillow widens the filter), as torchvision's `Resize`; no ringing at edges."""


def to_grey_or_rgb(image: Image.Image, levels: Levels | None = None) -> Image.Image:
    """Convert any mode to L or RGB by the table above.

    Args:
        image: an image.
        levels: what becomes black and white where there are more than 8 bits; None means the whole range.

    Raises:
        Fault: the pixels lie outside the accepted range.
    """
    if is_deep(image):
        return Image.fromarray(to_8_bits(high_bit_depth(image) if levels is None else raw_levels(image), levels))
    if image.has_transparency_data:
        return on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def is_deep(image: Image.Image) -> bool:
    """Whether the pixels are grey and of more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def raw_levels(image: Image.Image) -> Array:
    """Return grey pixels of more than 8 bits as the file has them, (H, W) integers or floats; transparent is white."""
    levels = np.asarray(image)
    transparent = image.info.get("transparency")
    return levels if transparent is None else np.where(levels == transparent, 65535, levels)


def range_of(levels: Array) -> tuple[float, float] | None:
    """Return the least and the largest level; None where the pixels have 8 bits, or some are not finite."""
    if levels.dtype == np.uint8 or not levels.size or not np.isfinite(levels).all():
        return None
    return float(levels.min()), float(levels.max())


def high_bit_depth(image: Image.Image) -> Array:
    """Return grey pixels of more than 8 bits: (H, W) uint16, or float in 0..1."""
    levels = np.asarray(image)
    if image.mode == "F":
        return levels
    if image.mode == "I" and levels.size and not 0 <= levels.min() <= levels.max() <= 65535:
        raise Fault(
            f"32-bit pixels from {levels.min()} to {levels.max()}; accepted: 0 to 65535; others with prepare.levels"
        )
    if getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE) == (12,):
        return levels / np.float32(4095)
    transparent = image.info.get("transparency")
    return np.where(levels == transparent, 65535, levels).astype(np.uint16)


def to_8_bits(levels: Array, scale: Levels | None = None) -> Array:
    """Scale pixels to uint8 of the same shape; uint8 is returned unchanged.

    Args:
        levels: integers or floats.
        scale: what becomes 0 and 255, beyond which values are clipped. None takes the whole range of uint16, or 0..1 of
            floats.

    Raises:
        Fault: without a scale, another type, or floats outside 0..1; or a pixel is not finite.
    """
    if levels.dtype == np.uint8:
        return levels
    if scale is not None:
        if not np.isfinite(levels).all():
            raise Fault("a pixel is not a finite number")
        low, high = scale
        return np.rint(np.clip((levels.astype(np.float64) - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    if levels.dtype.kind == "u" and levels.itemsize == 2:
        return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if levels.dtype.kind != "f":
        raise Fault(f"pixels of type {levels.dtype}; accepted: uint8, uint16, float; others with prepare.levels")
    if levels.size and not 0 <= levels.min() <= levels.max() <= 1:
        raise Fault(f"pixels from {levels.min():g} to {levels.max():g}; accepted: 0 to 1; others with prepare.levels")
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
