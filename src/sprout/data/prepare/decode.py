"""One picture, as a file or an array holds it, becomes (H, W, C) uint8. Imports only numpy, Pillow and simplejpeg.

What a file is, its content says, never its name: JPEG, MPO, PNG, GIF, BMP, TIFF, WEBP, AVIF and PPM are read. The first
frame of an animation is taken, its pixels are converted (the table in `pixels`), the picture is turned as EXIF or XMP
says; where the other is wanted, colour becomes grey by ITU-R 601 luma, and grey becomes colour by repeating it; then it
is brought to size (`resize`).
"""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from sprout.data.prepare.jpeg import plain_jpeg
from sprout.data.prepare.pixels import Array, Fault, eight_bits, plain
from sprout.data.prepare.resize import resized
from sprout.runtime.errors import one_line

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""To Pillow, an MPO begins as a JPEG."""
# Pillow knows a format once its module is imported; the others it always knows.
_ = AvifImagePlugin, TiffImagePlugin, WebPImagePlugin

TURNED = {
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
SAYS_ORIENTATION = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
DRAFT = 3
"""A JPEG is decoded at a smaller scale only where this leaves so many times the pixels wanted along each side. From
three times on, Pillow calls the result indistinguishable in most cases (`reducing_gap` of `Image.resize`)."""


def decode(
    file: BinaryIO, *, size: tuple[int, int] | None, channels: int | None, resize: str, max_pixels: int
) -> Array:
    """Decode an image file in full: (H, W, C) uint8. To be called within `one_fault`.

    Args:
        file: its bytes.
        size: height and width to bring it to; None keeps its own.
        channels: 1 or 3; None keeps grey or colour as it is.
        resize: fit, crop, stretch or none: see `resize.resized`.
        max_pixels: more are a fault, before anything is decoded.

    Raises:
        Fault: it has too many pixels, or such as have no conversion; or another size, and `resize` is none.
        Exception: whatever Pillow makes of damaged bytes.
    """
    least = math.inf if size is None or resize == "none" else DRAFT * max(size)
    if isinstance(file, BytesIO) and (levels := plain_jpeg(file.getvalue(), max_pixels, 2 * least)) is not None:
        return brought(levels, size, channels, resize)
    image = Image.open(file, formats=FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        raise Fault(f"{width}×{height} pixels, more than prepare.max_pixels={max_pixels}")
    if image.format in ("JPEG", "MPO"):
        draft(image, least)
    with no_standard_error() if image.format == "TIFF" else nullcontext():
        image.load()
    return finished(upright(plain(image), orientation(image)), size, channels, resize)


def draft(image: Image.Image, least: float) -> None:
    """Have a JPEG decoded at ½, ¼ or ⅛ of its size, if that divides both sides and leaves `least` pixels along each."""
    width, height = image.size
    for scale in (8, 4, 2):
        if width % scale == height % scale == 0 and min(width, height) // scale >= least:
            image.draft(None, (width // scale, height // scale))
            return


@contextmanager
def no_standard_error() -> Iterator[None]:
    """Drop what libtiff itself writes to standard error about damaged files."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def decode_array(example: Array, *, size: tuple[int, int] | None, channels: int | None, resize: str) -> Array:
    """The same for pixels at hand: (H, W) or (H, W, C), uint8, uint16 or float in 0..1 → (H, W, C) uint8.

    Four channels are RGBA. Another number than 1, 3 or 4 passes unchanged, if nothing else is wanted.

    Raises:
        Fault: it cannot be brought to what is wanted.
    """
    with one_fault():
        levels = eight_bits(example)
        return brought(levels[:, :, None] if levels.ndim == 2 else levels, size, channels, resize)


def brought(levels: Array, size: tuple[int, int] | None, channels: int | None, resize: str) -> Array:
    """Pixels at hand, brought to size and channels: (H, W, C) uint8."""
    if size in (None, levels.shape[:2]) and channels_of(levels.shape[2], channels) == levels.shape[2]:
        return levels
    if levels.shape[2] not in (1, 3, 4):
        raise Fault(f"{levels.shape[2]} channels; to be resized or brought to grey or colour, it needs 1, 3 or 4")
    picture = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels))
    return finished(plain(picture), size, channels, resize)


def channels_of(found: int, wanted: int | None) -> int:
    """The number of channels that pixels of an array have in the end."""
    return wanted or (3 if found == 4 else found)


def finished(image: Image.Image, size: tuple[int, int] | None, channels: int | None, resize: str) -> Array:
    """An L or RGB image, brought to size and channels: (H, W, C) uint8."""
    if channels is not None:
        mode = "L" if channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
    if size is not None and image.size != (size[1], size[0]):
        if resize == "none":
            raise Fault(
                f"{image.width}×{image.height} pixels, not {size[1]}×{size[0]}; resize=none, not fit, crop or stretch"
            )
        image = resized(image, size, resize)
    levels = np.asarray(image)
    return levels[:, :, None] if levels.ndim == 2 else levels


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8. Pillow itself turns a TIFF; EXIF data that cannot be read turn nothing."""
    if SAYS_ORIENTATION.isdisjoint(image.info):
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turned as EXIF's orientation says."""
    return image.transpose(TURNED[orientation]) if orientation in TURNED else image


@contextmanager
def unhindered() -> Iterator[None]:
    """Pillow's own cap on pixels is lifted and its warnings are dropped, while pictures are decoded inside."""
    cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = cap


@contextmanager
def one_fault() -> Iterator[None]:
    """Whatever goes wrong inside is one `Fault`."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:  # a damaged file brings forth nearly every type that there is
        raise Fault(reason(error)) from None


def reason(error: Exception) -> str:
    """What an exception of Pillow means, in a line."""
    if isinstance(error, UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)}), or its head is damaged"
    if isinstance(error, OSError) and error.errno is not None:
        return f"not readable ({error.strerror})"
    if isinstance(error, MemoryError):
        return "takes more memory than there is"
    return f"damaged ({one_line(error)})"
