"""An image as a person sees it: the file as it came where there is one, else the prepared pixels."""

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.image_file import decode_file
from sprout.data.store import Array
from sprout.label.images import Images, Place

LARGEST = 1024
"""Pixels of the longer side that are sent."""


def png(images: Images, place: Place) -> bytes:
    """Return an image as PNG."""
    pixels = as_it_came(images, place)
    image = to_image(images.pixels(place) if pixels is None else pixels)
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def own_file(images: Images, place: Place) -> Path | None:
    """The user's own file of an image; None where it is none, such as a row of an array."""
    if images.folder is None:
        return None
    path = images.folder / images.name(place)
    return path if path.is_file() else None


def as_it_came(images: Images, place: Place) -> Array | None:
    """The user's own file in its own size, (H, W, C) uint8; None where there is none, or it cannot be read any more."""
    if images.folder is None or own_file(images, place) is None:
        return None
    try:
        with without_pillow_limits():
            return decode_file(str(images.folder.resolve()), images.name(place), image_format(images))
    except Fault:
        return None


def image_format(images: Images) -> ImageFormat:
    """How the files were decoded, but for the size."""
    settings = images.prepare
    prepared = ImageFormat(
        settings.size, settings.channels, settings.resize, settings.max_pixels, settings.levels, settings.page
    )
    return replace(prepared, size=None, resize="none")


def to_image(pixels: Array) -> Image.Image:
    """(H, W, C) uint8 → an image; channels beyond three are left out."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] in (1, 2) else pixels[:, :, :3])
