"""Decode one image, from a file or an array, to (H, W, C) uint8. Imports only numpy, Pillow and simplejpeg.

The content of a file decides its format, never its name: JPEG, MPO, PNG, GIF, BMP, TIFF, WEBP, AVIF and PPM are read,
and HEIC where pillow-heif is installed.
One page of a TIFF or frame of an animation is taken. Its pixels are converted (the table in `pixels`), then rotated as
EXIF or XMP says. Where other channels are requested, colour becomes grey by ITU-R 601 luma, and grey becomes colour by
repetition. Resizing comes last.

Plain JPEGs are decoded by simplejpeg, six times as fast as by Pillow where they are small. Both use libjpeg-turbo, so
the pixels are the same. Other JPEGs are left to Pillow: with EXIF or XMP, CMYK, damaged, or worth decoding at a smaller
scale.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import BinaryIO, cast

import numpy as np
import simplejpeg
from PIL import Image

from sprout.data.prepare.fault import Fault, SizeFault, as_fault
from sprout.data.prepare.open_image import Raw, open_image, turn_to
from sprout.data.prepare.pixels import (
    Array,
    Levels,
    is_deep,
    range_of,
    raw_levels,
    resize,
    to_8_bits,
    to_grey_or_rgb,
)

TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of EXIF's orientation."""
ORIENTATION = 0x0112
"""A tag of EXIF."""
ORIENTATION_SOURCES = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
"""Keys of Pillow's `info` that can hold an orientation."""
REDUCING_GAP = 3
"""A JPEG is decoded at a smaller scale only where at least this multiple of the requested pixels remains along each
side: from 3 on, Pillow calls the result indistinguishable in most cases (`reducing_gap` of `Image.resize`)."""
JPEG_START = b"\xff\xd8\xff"
JPEG_METADATA = b"\xff\xe1"
"""The marker of EXIF and XMP."""
STDERR = Lock()
"""Held while standard error leads nowhere: of two threads one would take that for its place."""
PLAIN_COLOUR_SPACES = {"YCbCr": "RGB", "Gray": "GRAY"}


@dataclass(frozen=True)
class ImageFormat:
    """What decoded images look like."""

    size: tuple[int, int] | None
    """Height and width in pixels; None keeps each image's own."""
    channels: int | None
    """1 or 3; None keeps grey or colour."""
    resize: str
    """fit, crop or stretch (see `pixels.resize`), or none: another size is a fault."""
    max_pixels: int
    """A file with more pixels is a fault, found before it is decoded."""
    levels: Levels | None = None
    """What becomes black and white in images of more than 8 bits; None means the whole range."""
    page: int = 0
    """The page of a TIFF or the frame of an animation, from 0."""


def decode(file: BinaryIO, target: ImageFormat, raw: Raw | None = None) -> Array:
    """Decode an image file in full: (H, W, C) uint8. To be called within `as_fault`.

    Args:
        file: the file.
        target: what the result looks like.
        raw: is filled, where it is wanted.

    Raises:
        Fault: it has too many pixels, a kind of pixel without conversion, no such page, or another size where `resize`
            is none.
        Exception: anything that Pillow raises for damaged bytes.
    """
    smallest = math.inf if target.size is None or target.resize == "none" else REDUCING_GAP * max(target.size)
    if isinstance(file, BytesIO) and not target.page:
        levels = decode_plain_jpeg(file.getvalue(), target.max_pixels, 2 * smallest)
        if levels is not None:
            return convert_array(levels, target)
    image = open_image(file)
    if target.page or raw is not None:
        turn_to(image, target.page, raw)
    width, height = image.size
    if width * height > target.max_pixels:
        raise Fault(f"{width}×{height} pixels, more than prepare.max_pixels={target.max_pixels}")
    if image.format in ("JPEG", "MPO"):
        reduce_scale(image, smallest)
    with stderr_dropped() if image.format == "TIFF" else nullcontext():
        image.load()
    if raw is not None and is_deep(image):
        raw.pixels = raw_levels(image)
        raw.levels = range_of(raw.pixels)
    return upright(image, target)


def upright(image: Image.Image, target: ImageFormat) -> Array:
    """Convert an image of any mode, turned as its EXIF says: (H, W, C) uint8. To be called within `as_fault`.

    Raises:
        Fault: a kind of pixel without conversion, or another size where `resize` is none.
    """
    turn = TRANSPOSE.get(orientation(image))
    converted = to_grey_or_rgb(image, target.levels)
    return convert_image(converted if turn is None else converted.transpose(turn), target)


def decode_plain_jpeg(data: bytes, max_pixels: int, too_large: float) -> Array | None:
    """Decode a JPEG without metadata: (H, W, C) uint8, C of 1 or 3.

    Args:
        data: the bytes of any file.
        max_pixels: a file with more is left to Pillow.
        too_large: a file with at least this many pixels along each side is left to Pillow.

    Returns:
        None where Pillow has to decode the file.
    """
    if not data.startswith(JPEG_START) or JPEG_METADATA in data:
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        sides = int(height), int(width)
        if space not in PLAIN_COLOUR_SPACES or sides[0] * sides[1] > max_pixels or min(sides) >= too_large:
            return None
        return cast(Array, simplejpeg.decode_jpeg(data, PLAIN_COLOUR_SPACES[space]))
    except ValueError:
        return None


def reduce_scale(image: Image.Image, smallest: float) -> None:
    """Let a JPEG be decoded at ½, ¼ or ⅛ scale, if that divides both sides and leaves `smallest` pixels along each."""
    width, height = image.size
    for scale in (8, 4, 2):
        if width % scale == height % scale == 0 and min(width, height) // scale >= smallest:
            image.draft(None, (width // scale, height // scale))
            return


def orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1 where EXIF is unreadable, and for a TIFF, which Pillow itself rotates."""
    if ORIENTATION_SOURCES.isdisjoint(image.info):
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


@contextmanager
def stderr_dropped() -> Iterator[None]:
    """Drop what libtiff itself writes to standard error about damaged files; one thread at a time."""
    with STDERR:
        kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)


def decode_array(example: Array, target: ImageFormat, raw: Raw | None = None) -> Array:
    """Convert the pixels of an array: (H, W) or (H, W, C), uint8, uint16 or float in 0..1 → (H, W, C) uint8.

    Four channels are RGBA. Other numbers than 1, 3 or 4 are kept, if neither size nor channels are to change.

    Args:
        example: of another type or range where the target has levels.
        target: what the result looks like.
        raw: is filled, where it is wanted.

    Raises:
        Fault: it cannot be converted.
    """
    with as_fault():
        if raw is not None:
            raw.pixels, raw.levels = example, range_of(example)
        levels = to_8_bits(example, target.levels)
        return convert_array(levels[:, :, None] if levels.ndim == 2 else levels, target)


def convert_array(levels: Array, target: ImageFormat) -> Array:
    """Bring (H, W, C) uint8 pixels to the target's size and channels."""
    channels = levels.shape[2]
    if target.size in (None, levels.shape[:2]) and (target.channels or (3 if channels == 4 else channels)) == channels:
        return levels
    if channels not in (1, 3, 4):
        raise Fault(f"{channels} channels; only images of 1, 3 or 4 can be resized or converted to grey or colour")
    image = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if channels == 1 else levels))
    return convert_image(to_grey_or_rgb(image), target)


def convert_image(image: Image.Image, target: ImageFormat) -> Array:
    """Bring an L or RGB image to the target's size and channels: (H, W, C) uint8."""
    if target.channels is not None:
        mode = "L" if target.channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
    size = target.size
    if size is not None and image.size != (size[1], size[0]):
        if target.resize == "none":
            raise SizeFault(
                f"{image.width}×{image.height} pixels, not {size[1]}×{size[0]}; resize=none, not fit, crop or stretch"
            )
        image = resize(image, size, target.resize)
    levels = np.asarray(image)
    return levels[:, :, None] if levels.ndim == 2 else levels
